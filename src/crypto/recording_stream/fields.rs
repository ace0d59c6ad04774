//! The canonical encoding of what is authenticated or signed: every field is a 32-bit big-endian length and that many bytes, the first
//! field is the domain with its version. Invariant: one list of fields has one encoding, and no two lists share one.

use thiserror::Error;
use uuid::Uuid;

/// The bytes are not the canonical encoding of this domain's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a canonical {0}")]
pub struct FieldError(pub &'static str);

/// Writes fields.
pub(super) struct FieldWriter(Vec<u8>);

impl FieldWriter {
    pub(super) fn new(domain: &str) -> Self {
        Self(Vec::with_capacity(256)).bytes(domain.as_bytes())
    }

    /// Fields beyond 4 GiB cannot be told apart by their length; every caller is bounded far below.
    pub(super) fn bytes(mut self, field: &[u8]) -> Self {
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(field);
        self
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields in the order they were written.
pub(super) struct FieldReader<'a> {
    rest: &'a [u8],
    domain: &'static str,
}

impl<'a> FieldReader<'a> {
    pub(super) fn new(bytes: &'a [u8], domain: &'static str) -> Result<Self, FieldError> {
        let mut reader = Self { rest: bytes, domain };
        if reader.bytes()? == domain.as_bytes() { Ok(reader) } else { Err(FieldError(domain)) }
    }

    pub(super) fn malformed(&self) -> FieldError {
        FieldError(self.domain)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], FieldError> {
        let malformed = self.malformed();
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(malformed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| malformed)?;
        let (field, rest) = rest.split_at_checked(length).ok_or(malformed)?;
        self.rest = rest;
        Ok(field)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FieldError> {
        self.bytes()?.try_into().map_err(|_| self.malformed())
    }

    pub(super) fn u32(&mut self) -> Result<u32, FieldError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FieldError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, FieldError> {
        self.array().map(Uuid::from_bytes)
    }

    pub(super) fn text(&mut self) -> Result<String, FieldError> {
        std::str::from_utf8(self.bytes()?).map(str::to_owned).map_err(|_| self.malformed())
    }

    /// Nothing may follow the last field.
    pub(super) fn end(self) -> Result<(), FieldError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }
}
