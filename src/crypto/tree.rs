//! The Merkle tree over the audit log (RFC 6962, section 2.1), kept as C2SP tlog stored hashes.
//!
//! All hashing and all proofs come from `tlog_tiles`; this file only feeds it the hashes it asks for.

use crate::crypto::signing::TreeHead;
use std::collections::HashMap;
use std::sync::Mutex;
use tlog_tiles::{
    Error, Hash, HashReader, check_record, prove_record, record_hash, stored_hash_count, stored_hash_index, stored_hashes_for_record_hash,
    tree_hash,
};

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

/// Takes down which hashes a proof is made of, and gives none.
struct Wishes(Mutex<Vec<u64>>);

impl HashReader for Wishes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(indexes);
        Err(Error::IndexesNotInTree)
    }
}

/// The stored indexes that the inclusion proof of leaf `index` in a tree of `size` leaves is made of.
#[must_use]
pub fn inclusion_needs(size: u64, index: u64) -> Vec<u64> {
    let wishes = Wishes(Mutex::default());
    // what comes of it is not the point
    drop(prove_record(size, index, &wishes));
    wishes.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The inclusion proof (RFC 6962, section 2.1.1) of leaf `index` in the tree of `size` leaves.
///
/// # Errors
/// [`IncompleteTree`] if a hash is missing or the leaf is not in the tree.
pub fn inclusion_proof(size: u64, index: u64, hashes: &Hashes) -> Result<Vec<[u8; 32]>, IncompleteTree> {
    if index >= size {
        return Err(IncompleteTree);
    }
    prove_record(size, index, hashes).map(|proof| proof.into_iter().map(|hash| hash.0).collect()).map_err(|_| IncompleteTree)
}

/// Whether a leaf is at its place in the tree that a head speaks of.
#[must_use]
pub fn is_included(proof: &[[u8; 32]], head: TreeHead, index: u64, leaf: [u8; 32]) -> bool {
    let proof = proof.iter().map(|hash| Hash(*hash)).collect();
    index < head.size && check_record(&proof, head.size, Hash(head.root), index, Hash(leaf)).is_ok()
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

    #[test]
    fn a_leaf_is_proved_at_its_place_and_nowhere_else() {
        let mut tree = Frontier::new(0, Hashes::default());
        let mut stored = Hashes::default();
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        for n in 0..13 {
            for (index, hash) in tree.append(leaf(n)).expect("append") {
                stored.insert(index, hash);
            }
        }
        let head = tree.head().expect("head");
        for n in 0..13 {
            let mut needed = Hashes::default();
            for index in inclusion_needs(13, n) {
                needed.insert(index, stored.0[&index]);
            }
            let proof = inclusion_proof(13, n, &needed).expect("proof");
            assert!(is_included(&proof, head, n, leaf(n)));
            assert!(!is_included(&proof, head, n, leaf(n + 1)) && !is_included(&proof, head, (n + 1) % 13, leaf(n)));
            assert!(!is_included(&proof[1..], head, n, leaf(n)));
        }
        assert!(inclusion_proof(13, 13, &stored).is_err() && inclusion_proof(13, 3, &Hashes::default()).is_err());
    }
}
