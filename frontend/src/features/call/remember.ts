// What a page remembers about itself on this device: choices and ids, never a secret and nothing about a person.
// Invariant: storage that is switched off only means that nothing is remembered.

function read(store: () => Storage, key: string): string | null {
  try {
    return store().getItem(key);
  } catch {
    return null;
  }
}

function write(store: () => Storage, key: string, value: string | null): void {
  try {
    if (value === null) store().removeItem(key);
    else store().setItem(key, value);
  } catch {
    // see above
  }
}

const perTab = (): Storage => sessionStorage;
const perDevice = (): Storage => localStorage;

const IN_CALL = "bedside.in-call.";
const STRAIGHT_IN = "bedside.straight-in";
const JOINED = "bedside.joined.";
const CHECKED = "bedside.checked.";

/** Whether this tab was in the call before it was reloaded. */
export function inCallHere(consultationId: string): boolean {
  return read(perTab, IN_CALL + consultationId) === "yes";
}

export function rememberInCall(consultationId: string, inCall: boolean): void {
  write(perTab, IN_CALL + consultationId, inCall ? "yes" : null);
}

/** Whether the clinician wants to skip the device check on this device. */
export function goStraightIn(): boolean {
  return read(perDevice, STRAIGHT_IN) === "yes";
}

export function rememberStraightIn(straight: boolean): void {
  write(perDevice, STRAIGHT_IN, straight ? "yes" : null);
}

/** The consultation that an invitation led to, once it was redeemed in this browser. */
export function joinedConsultation(invitationId: string): string | null {
  return read(perDevice, JOINED + invitationId);
}

export function rememberJoined(invitationId: string, consultationId: string | null): void {
  write(perDevice, JOINED + invitationId, consultationId);
}

/** Whether this tab has been through the device check: a reload goes straight back to the waiting room. */
export function devicesChecked(consultationId: string): boolean {
  return read(perTab, CHECKED + consultationId) === "yes";
}

export function rememberChecked(consultationId: string, checked: boolean): void {
  write(perTab, CHECKED + consultationId, checked ? "yes" : null);
}
