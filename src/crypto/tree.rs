//! The Merkle tree over the audit log (RFC 6962, section 2.1), kept as C2SP tlog tiles of up to 256 hashes.
//!
//! All hashing and all proofs come from `tlog_tiles`; this file only feeds it the hashes it asks for.

use crate::crypto::signing::TreeHead;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use tlog_tiles::{Error, Hash, HashReader, Tile, check_record, check_tree, prove_record, prove_tree, record_hash, tree_hash};

/// Hashes in one tile are two to the power of this (C2SP tlog-tiles).
const HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Length of a hash.
pub const HASH_LENGTH: usize = 32;

/// Hashes by their stored index, as many as are needed for what is asked.
#[derive(Default)]
pub struct Hashes(HashMap<u64, [u8; 32]>);

impl HashReader for Hashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes.iter().map(|index| self.0.get(index).map(|h| Hash(*h)).ok_or(Error::IndexesNotInTree)).collect()
    }
}

/// The stored hashes do not make up the tree they should.
#[derive(Debug, thiserror::Error)]
#[error("the stored hashes of the audit tree are incomplete")]
pub struct IncompleteTree;

/// Where a tile stands: level and index within the level.
pub type TilePlace = (u8, u64);

/// Tiles by their place: their hashes, one after the other.
pub type Tiles = HashMap<TilePlace, Vec<u8>>;

/// The tile in which a stored hash is found, and how many hashes of it are needed.
fn tile_of(index: u64) -> Tile {
    Tile::from_index(HEIGHT, index)
}

/// The tiles that hold these stored hashes.
#[must_use]
pub fn tiles_of(indexes: &[u64]) -> BTreeSet<TilePlace> {
    indexes.iter().map(|index| tile_of(*index)).map(|tile| (tile.level(), tile.level_index())).collect()
}

/// Takes stored hashes out of tiles.
///
/// # Errors
/// [`IncompleteTree`] if one is missing.
pub fn hashes_from(indexes: &[u64], tiles: &Tiles) -> Result<Hashes, IncompleteTree> {
    let mut hashes = Hashes::default();
    for index in indexes {
        let tile = tile_of(*index);
        let data = tiles.get(&(tile.level(), tile.level_index())).ok_or(IncompleteTree)?;
        let width = usize::try_from(tile.width()).map_err(|_| IncompleteTree)? * HASH_LENGTH;
        let data = data.get(..width).ok_or(IncompleteTree)?;
        hashes.0.insert(*index, tile.hash_at_index(data, *index).map_err(|_| IncompleteTree)?.0);
    }
    Ok(hashes)
}

/// A tree that can grow: its size and the last, partly filled tile of every level.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    /// Hashes of the last tile of each level, one after the other; empty where the last one is full.
    tiles: Vec<Vec<u8>>,
}

impl Edge {
    /// The tiles needed to let a tree of this size grow.
    #[must_use]
    pub fn needs(size: u64) -> Vec<TilePlace> {
        (0..64 / HEIGHT)
            .map(|level| (level, size >> (u32::from(HEIGHT) * u32::from(level))))
            .filter(|(_, count)| count % TILE_WIDTH > 0)
            .map(|(level, count)| (level, count / TILE_WIDTH))
            .collect()
    }

    /// From a size and the tiles at [`Edge::needs`].
    ///
    /// # Errors
    /// [`IncompleteTree`] if one is missing or too short.
    pub fn new(size: u64, tiles: &Tiles) -> Result<Self, IncompleteTree> {
        let mut edge = Self { size, tiles: Vec::new() };
        for level in 0_u8.. {
            let count = size >> (u32::from(HEIGHT) * u32::from(level));
            if count == 0 {
                break;
            }
            let width = usize::try_from(count % TILE_WIDTH).map_err(|_| IncompleteTree)? * HASH_LENGTH;
            let tile = if width == 0 {
                &[]
            } else {
                tiles.get(&(level, count / TILE_WIDTH)).and_then(|t| t.get(..width)).ok_or(IncompleteTree)?
            };
            edge.tiles.push(tile.to_vec());
        }
        Ok(edge)
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends leaves; gives every tile that is new or has grown, with all of its hashes.
    pub fn append(&mut self, leaves: impl IntoIterator<Item = [u8; 32]>) -> Tiles {
        let mut grown: Tiles = HashMap::new();
        let mut touched = BTreeSet::new();
        for leaf in leaves {
            let mut hash = leaf;
            let mut count = self.size;
            for level in 0.. {
                if self.tiles.len() == level {
                    self.tiles.push(Vec::new());
                }
                let tile = &mut self.tiles[level];
                tile.extend_from_slice(&hash);
                touched.insert(level);
                if tile.len() < HASH_LENGTH << HEIGHT {
                    break;
                }
                hash = Tile::subtree_hash(tile).0;
                grown.insert((u8::try_from(level).unwrap_or(u8::MAX), count / TILE_WIDTH), std::mem::take(tile));
                count /= TILE_WIDTH;
            }
            self.size += 1;
        }
        for level in touched {
            if !self.tiles[level].is_empty() {
                let level_u8 = u8::try_from(level).unwrap_or(u8::MAX);
                let place = (self.size >> (u32::from(HEIGHT) * u32::from(level_u8))) / TILE_WIDTH;
                grown.insert((level_u8, place), self.tiles[level].clone());
            }
        }
        grown
    }

    /// Size and root.
    ///
    /// # Errors
    /// [`IncompleteTree`] if the edge lacks a hash.
    pub fn head(&self) -> Result<TreeHead, IncompleteTree> {
        let root = tree_hash(self.size, self).map_err(|_| IncompleteTree)?;
        Ok(TreeHead { size: self.size, root: root.0 })
    }
}

impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes
            .iter()
            .map(|index| {
                let tile = tile_of(*index);
                let data = self.tiles.get(usize::from(tile.level())).ok_or(Error::IndexesNotInTree)?;
                let width = usize::try_from(tile.width()).map_err(|_| Error::IndexesNotInTree)? * HASH_LENGTH;
                tile.hash_at_index(data.get(..width).ok_or(Error::IndexesNotInTree)?, *index)
            })
            .collect()
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

/// The stored indexes that the consistency proof between the trees of two sizes is made of.
#[must_use]
pub fn consistency_needs(new: u64, old: u64) -> Vec<u64> {
    let wishes = Wishes(Mutex::default());
    drop(prove_tree(new, old, &wishes));
    wishes.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The consistency proof (RFC 6962, section 2.1.2): the tree of `new` leaves begins with the tree of `old` leaves.
///
/// # Errors
/// [`IncompleteTree`] if a hash is missing, or `old` is nothing or more than `new`.
pub fn consistency_proof(new: u64, old: u64, hashes: &Hashes) -> Result<Vec<[u8; 32]>, IncompleteTree> {
    if old == 0 || old > new {
        return Err(IncompleteTree);
    }
    prove_tree(new, old, hashes).map(|proof| proof.into_iter().map(|hash| hash.0).collect()).map_err(|_| IncompleteTree)
}

/// Whether the tree of `new` begins with the tree of `old`.
#[must_use]
pub fn is_consistent(proof: &[[u8; 32]], new: TreeHead, old: TreeHead) -> bool {
    let proof = proof.iter().map(|hash| Hash(*hash)).collect();
    0 < old.size && old.size <= new.size && check_tree(&proof, new.size, Hash(new.root), old.size, Hash(old.root)).is_ok()
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
        let mut tree = Edge::default();
        let mut stored = HashMap::new();
        for (leaf, root) in leaves.iter().zip(roots) {
            stored.extend(tree.append([leaf_hash(leaf)]));
            assert_eq!(hex(&tree.head().expect("head").root), root);
            // a tree that was put away and taken out again is the same tree
            tree = Edge::new(tree.size(), &stored).expect("complete");
            assert_eq!(hex(&tree.head().expect("head").root), root);
        }
    }

    /// Another implementation of RFC 6962 builds the same trees and accepts our proofs, over the borders of tiles and of levels.
    #[test]
    fn trees_and_proofs_agree_with_another_implementation() {
        use ct_merkle::mem_backed_tree::MemoryBackedTree;
        use ct_merkle::{ConsistencyProof, InclusionProof};
        let mut tree = Edge::default();
        let mut stored = HashMap::new();
        let mut other = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        let mut heads = vec![TreeHead { size: 0, root: [0; 32] }];
        let count = 66_000_u64;
        let checked =
            |n: u64| n <= 40 || n.is_multiple_of(251) || (250..=260).contains(&(n % 256)) && n < 1_500 || (65_530..65_545).contains(&n);
        for n in 0..count {
            let leaf = n.to_be_bytes().to_vec();
            stored.extend(tree.append([leaf_hash(&leaf)]));
            other.push(leaf);
            if checked(n + 1) {
                let head = tree.head().expect("head");
                assert_eq!(head.root.as_slice(), other.root().as_bytes().as_slice(), "the root of {} leaves", n + 1);
                heads.push(head);
            }
        }
        let newest = tree.head().expect("head");
        let root = other.root();
        for n in (0..count).filter(|n| checked(*n)).step_by(3) {
            let needs = inclusion_needs(count, n);
            let proof = inclusion_proof(count, n, &hashes_from(&needs, &stored).expect("tiles")).expect("proof");
            let theirs = InclusionProof::<sha2::Sha256>::try_from_bytes(proof.concat()).expect("a proof");
            root.verify_inclusion(&n.to_be_bytes().to_vec(), n, &theirs).expect("they accept it");
            let theirs = other.prove_inclusion(usize::try_from(n).expect("small"));
            assert_eq!(theirs.as_bytes(), proof.concat(), "the same proof");
        }
        for old in heads.iter().filter(|head| head.size > 0 && head.size < count).step_by(3) {
            let needs = consistency_needs(count, old.size);
            let proof = consistency_proof(count, old.size, &hashes_from(&needs, &stored).expect("tiles")).expect("proof");
            assert!(is_consistent(&proof, newest, *old));
            let forked = TreeHead { root: [9; 32], ..*old };
            assert!(!is_consistent(&proof, newest, forked) && !is_consistent(&proof, forked, *old));
            let theirs = ConsistencyProof::<sha2::Sha256>::try_from_bytes(proof.concat()).expect("a proof");
            let then = ct_merkle::RootHash::<sha2::Sha256>::new(old.root.into(), old.size);
            root.verify_consistency(&then, &theirs).expect("they accept it");
        }
    }

    #[test]
    fn a_leaf_is_proved_at_its_place_and_nowhere_else() {
        let mut tree = Edge::default();
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        let stored = tree.append((0..13).map(leaf));
        let head = tree.head().expect("head");
        for n in 0..13 {
            let proof = inclusion_proof(13, n, &hashes_from(&inclusion_needs(13, n), &stored).expect("tiles")).expect("proof");
            assert!(is_included(&proof, head, n, leaf(n)));
            assert!(!is_included(&proof, head, n, leaf(n + 1)) && !is_included(&proof, head, (n + 1) % 13, leaf(n)));
            assert!(!is_included(&proof[1..], head, n, leaf(n)));
        }
        let all = hashes_from(&inclusion_needs(13, 3), &stored).expect("tiles");
        assert!(inclusion_proof(13, 13, &all).is_err() && inclusion_proof(13, 3, &Hashes::default()).is_err());
        assert!(hashes_from(&inclusion_needs(14, 3), &stored).is_err(), "a tile that is too short is noticed");
    }
}
