import { describe, expect, it } from "vitest";
import { checkSignature, readCheckpoint } from "./checkpoint";
import { readDisclosure } from "./disclosures";
import { isConsistent, leafHash, nodeHash, rootOfInclusion, same, type Hash } from "./tree";
import { judge, type Growth, type Seen } from "./witness";

/** The tree and its proofs, by following the definitions of RFC 6962, section 2.1. */
async function root(leaves: readonly Hash[]): Promise<Hash> {
  const [only] = leaves;
  if (leaves.length === 1 && only) return only;
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return nodeHash(await root(leaves.slice(0, split)), await root(leaves.slice(split)));
}
async function path(index: number, leaves: readonly Hash[]): Promise<Hash[]> {
  if (leaves.length === 1) return [];
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return index < split
    ? [...(await path(index, leaves.slice(0, split))), await root(leaves.slice(split))]
    : [...(await path(index - split, leaves.slice(split))), await root(leaves.slice(0, split))];
}
async function growth(old: number, leaves: readonly Hash[], whole: boolean): Promise<Hash[]> {
  if (old === leaves.length) return whole ? [] : [await root(leaves)];
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return old <= split
    ? [...(await growth(old, leaves.slice(0, split), whole)), await root(leaves.slice(split))]
    : [...(await growth(old - split, leaves.slice(split), false)), await root(leaves.slice(0, split))];
}
const hex = (hash: Hash): string => Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
const leavesOf = (count: number, mark = ""): Promise<Hash[]> => Promise.all(Array.from({ length: count }, (_, n) => leafHash(`${mark}${n}`)));

describe("the tree", () => {
  it("hashes as the reference tree of RFC 6962 does", async () => {
    expect(hex(await leafHash(""))).toBe("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    expect(hex(await root([await leafHash(""), await leafHash("\u0000")]))).toBe("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
  });

  it("accepts every inclusion proof at its place and nowhere else", async () => {
    for (let size = 1; size <= 17; size += 1) {
      const leaves = await leavesOf(size);
      const whole = await root(leaves);
      for (const [index, leaf] of leaves.entries()) {
        const proof = await path(index, leaves);
        const led = await rootOfInclusion(index, size, leaf, proof);
        expect(led && same(led, whole)).toBe(true);
        const astray = await rootOfInclusion(index, size, await leafHash("another"), proof);
        expect(astray && same(astray, whole)).toBe(false);
        if (size > 1) {
          const elsewhere = await rootOfInclusion((index + 1) % size, size, leaf, proof);
          expect(elsewhere !== null && same(elsewhere, whole)).toBe(false);
        }
      }
    }
  });

  it("accepts every way a log grew, and no other", async () => {
    const leaves = await leavesOf(17);
    for (let size = 1; size <= 17; size += 1) {
      const whole = await root(leaves.slice(0, size));
      for (let old = 1; old <= size; old += 1) {
        const before = await root(leaves.slice(0, old));
        const proof = await growth(old, leaves.slice(0, size), true);
        expect(await isConsistent(old, before, size, whole, proof), `${old} to ${size}`).toBe(true);
        const forked = await root(await leavesOf(old, "x"));
        expect(await isConsistent(old, forked, size, whole, proof), `a fork of ${old} to ${size}`).toBe(false);
        if (proof.length > 0) expect(await isConsistent(old, before, size, whole, proof.slice(1))).toBe(false);
      }
    }
    expect(await isConsistent(0, await root(leaves), 17, await root(leaves), [])).toBe(false);
  });
});

/** A log of this test's own, with a key of its own. */
async function log(): Promise<{ key: string; sign: (size: number, leaves: readonly Hash[]) => Promise<string> }> {
  const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"])) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
  const key = `clinic.example/audit+00000000+${base64(new Uint8Array([1, ...raw]))}`;
  return {
    key,
    sign: async (size, leaves) => {
      const text = `clinic.example/audit\n${size}\n${base64(await root(leaves.slice(0, size)))}\n`;
      const signature = new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, pair.privateKey, new TextEncoder().encode(text)));
      return `${text}\n\u2014 clinic.example/audit ${base64(new Uint8Array([0, 0, 0, 0, ...signature]))}\n`;
    },
  };
}

describe("the witness", () => {
  it("keeps what it sees, follows a log that grows, and notices everything else", async () => {
    const leaves = await leavesOf(12);
    const ours = await log();
    const shown = async (from: number, to: number, all = leaves, key = ours): Promise<Growth> => ({
      from,
      consistency_proof: from === 0 ? [] : (await growth(from, all.slice(0, to), true)).map(hex),
      checkpoint: await key.sign(to, all),
      verifier_key: key.key,
    });
    const seen: Seen = { checkpoint: await ours.sign(5, leaves), verifierKey: ours.key };

    expect(await judge(null, await shown(0, 5))).toEqual({ keep: seen });
    expect(await judge(seen, await shown(5, 12))).toMatchObject({ keep: { verifierKey: ours.key } });
    expect(await judge(seen, await shown(5, 5))).toMatchObject({ keep: seen });
    expect(await judge(seen, null)).toEqual({ contradiction: "shorter" });
    expect(await judge(null, null)).toEqual({ nothing: true });
    expect(await judge(seen, { ...(await shown(5, 12)), consistency_proof: [] })).toEqual({ contradiction: "not_grown" });
    expect(await judge(seen, await shown(5, 12, await leavesOf(12, "x")))).toEqual({ contradiction: "not_grown" });
    expect(await judge(seen, { ...(await shown(5, 12)), checkpoint: await ours.sign(4, leaves) })).toEqual({ contradiction: "shorter" });
    const thief = await log();
    expect(await judge(seen, await shown(5, 12, leaves, thief))).toEqual({ contradiction: "another_key" });
    const hidden = { ...(await shown(5, 12, leaves, thief)), verifier_key: ours.key };
    expect(await judge(seen, hidden)).toEqual({ contradiction: "bad_signature" });
  });
});

describe("checkpoints", () => {
  it("are read with their signature, and refused when anything is changed", async () => {
    const ours = await log();
    const note = await ours.sign(3, await leavesOf(3));
    expect(readCheckpoint(note, ours.key).size).toBe(3);
    expect(await checkSignature(note, ours.key)).toBe("good");
    expect(await checkSignature(note.replace("\n3\n", "\n4\n"), ours.key)).toBe("bad");
    expect(() => readCheckpoint(note, ours.key.replace("clinic", "other"))).toThrow();
  });
});

describe("disclosures", () => {
  it("are read only where the entry has their digest", async () => {
    // RFC 9901, sections 4.2.1 and 4.2.3
    const published = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0";
    const entry = { personal: { family_name: "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0" } };
    expect(await readDisclosure(entry, published)).toEqual(["family_name", "Möbius"]);
    expect(await readDisclosure({ personal: { family_name: "x" } }, published)).toBeNull();
    expect(await readDisclosure({}, published)).toBeNull();
  });
});
