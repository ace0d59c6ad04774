// What the server says about itself, asked once. Pages work without it, so a failure is silent here.
import { signal } from "@preact/signals";
import { api } from "../api/client";
import type { Config } from "../api/types";

export const config = signal<Config | null>(null);

export async function loadConfig(): Promise<void> {
  try {
    config.value = await api.config();
  } catch {
    config.value = null;
  }
}

/** The clinic's name, or the product's until it is known. */
export function clinicName(): string {
  return config.value?.clinic_name ?? "Bedside";
}
