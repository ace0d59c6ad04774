//! The Merkle tree of RFC 6962, section 2.1, by hand.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The hash of a leaf: SHA-256(0x00 ‖ entry).
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree to which leaves are added one by one: the roots of its complete subtrees, the largest first.
#[derive(Default)]
pub(crate) struct Growing {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Growing {
    /// Adds a leaf's hash.
    pub(crate) fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut rest = self.size;
        // every one at the end of the size is a complete subtree that is now joined with its right neighbour
        while rest & 1 == 1 {
            if let Some(left) = self.subtrees.pop() {
                hash = node(&left, &hash);
            }
            rest >>= 1;
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The root of the tree as it is now.
    pub(crate) fn root(&self) -> Hash {
        let mut subtrees = self.subtrees.iter().rev();
        match subtrees.next() {
            None => Sha256::digest([]).into(),
            Some(last) => subtrees.fold(*last, |right, left| node(left, &right)),
        }
    }

    /// How many leaves it has.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }
}

/// The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2, for the same proofs); `None` if it does not fit the size.
pub(crate) fn root_of_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight-leaf tree that certificate transparency implementations share (RFC 6962 reference data).
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];

    #[test]
    fn roots_agree_with_the_reference_tree() {
        let mut tree = Growing::default();
        assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "the root of nothing");
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (entry, root) in LEAVES.iter().zip(roots) {
            tree.push(leaf(entry));
            assert_eq!(hex(&tree.root()), root);
        }
    }

    /// Every proof in every tree of up to 20 leaves, made by following the definition of section 2.1.1.
    #[test]
    fn every_inclusion_proof_leads_to_the_root_and_a_wrong_one_does_not() {
        for size in 1..=20_usize {
            let leaves: Vec<Hash> = (0..size).map(|n| leaf(&[u8::try_from(n).expect("small")])).collect();
            let whole = root(&leaves);
            for index in 0..size {
                let proof = path(index, &leaves);
                let (at, of) = (index as u64, size as u64);
                assert_eq!(root_of_inclusion(at, of, leaves[index], &proof), Some(whole));
                assert_ne!(root_of_inclusion(at, of, leaf(b"another"), &proof), Some(whole));
                assert!(size == 1 || root_of_inclusion((at + 1) % of, of, leaves[index], &proof) != Some(whole));
                if let Some((_, shorter)) = proof.split_first() {
                    assert_ne!(root_of_inclusion(at, of, leaves[index], shorter), Some(whole));
                }
            }
            assert_eq!(root_of_inclusion(size as u64, size as u64, leaves[0], &[]), None);
        }
    }

    fn root(leaves: &[Hash]) -> Hash {
        let mut tree = Growing::default();
        for leaf in leaves {
            tree.push(*leaf);
        }
        tree.root()
    }

    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, other) =
            if index < left.len() { (path(index, left), root(right)) } else { (path(index - left.len(), right), root(left)) };
        path.push(other);
        path
    }
}
