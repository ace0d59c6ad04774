//! The Merkle tree over the audit log (RFC 6962, section 2.1), kept as C2SP tlog stored hashes.
//!
//! All hashing and all proofs come from `tlog_tiles`; this file only feeds it the hashes it asks for.

use crate::crypto::signing::TreeHead;
use std::collections::HashMap;
use tlog_tiles::{Error, Hash, HashReader, record_hash, stored_hash_count, stored_hash_index, stored_hashes_for_record_hash, tree_hash};

/// Hashes by their stored index, as many as are needed for what is asked.
#[derive(Default)]
pub struct Hashes(HashMap<u64, [u8; 32]>);

impl HashReader for Hashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes.iter().map(|index| self.0.get(index).map(|h| Hash(*h)).ok_or(Error::IndexesNotInTree)).collect()
    }
}

impl Hashes {
    /// Adds a stored hash.
    pub fn insert(&mut self, index: u64, hash: [u8; 32]) {
        self.0.insert(index, hash);
    }
}

/// A tree that can grow: its size and the hashes on its right edge.
pub struct Frontier {
    size: u64,
    hashes: Hashes,
}

/// The stored hashes do not make up the tree they should.
#[derive(Debug, thiserror::Error)]
#[error("the stored hashes of the audit tree are incomplete")]
pub struct IncompleteTree;

impl Frontier {
    /// The stored indexes needed to let a tree of this size grow.
    #[must_use]
    pub fn needs(size: u64) -> Vec<u64> {
        (0..64).filter(|level| size >> level & 1 == 1).map(|level| stored_hash_index(level, (size >> level) - 1)).collect()
    }

    /// From a size and the hashes at [`Frontier::needs`].
    #[must_use]
    pub const fn new(size: u64, hashes: Hashes) -> Self {
        Self { size, hashes }
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; returns the hashes to store with their indexes, the leaf's own first.
    ///
    /// # Errors
    /// [`IncompleteTree`] if the frontier lacks a hash.
    pub fn append(&mut self, leaf: [u8; 32]) -> Result<Vec<(u64, [u8; 32])>, IncompleteTree> {
        let hashes = stored_hashes_for_record_hash(self.size, Hash(leaf), &self.hashes).map_err(|_| IncompleteTree)?;
        let first = stored_hash_count(self.size);
        self.size += 1;
        Ok((first..)
            .zip(hashes)
            .map(|(index, hash)| {
                self.hashes.insert(index, hash.0);
                (index, hash.0)
            })
            .collect())
    }

    /// Size and root.
    ///
    /// # Errors
    /// [`IncompleteTree`] if the frontier lacks a hash.
    pub fn head(&self) -> Result<TreeHead, IncompleteTree> {
        let root = tree_hash(self.size, &self.hashes).map_err(|_| IncompleteTree)?;
        Ok(TreeHead { size: self.size, root: root.0 })
    }
}

/// The leaf hash of an entry's canonical bytes: SHA-256(0x00 ‖ bytes).
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    record_hash(bytes).0
}

/// Where the hash of leaf `n` is stored.
#[must_use]
pub fn leaf_storage_index(n: u64) -> u64 {
    stored_hash_index(0, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::hex;

    /// The roots of the eight-leaf example tree that certificate transparency implementations share (RFC 6962 reference data).
    #[test]
    fn roots_agree_with_the_certificate_transparency_reference_tree() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
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
        let mut tree = Frontier::new(0, Hashes::default());
        let mut stored = HashMap::new();
        for (leaf, root) in leaves.iter().zip(roots) {
            for (index, hash) in tree.append(leaf_hash(leaf)).expect("append") {
                stored.insert(index, hash);
            }
            assert_eq!(hex(&tree.head().expect("head").root), root);
            // a tree that was put away and taken out again is the same tree
            let mut hashes = Hashes::default();
            for index in Frontier::needs(tree.size()) {
                hashes.insert(index, stored[&index]);
            }
            tree = Frontier::new(tree.size(), hashes);
            assert_eq!(hex(&tree.head().expect("head").root), root);
        }
    }
}
