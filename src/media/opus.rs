//! How long an Opus packet plays, from its first bytes (RFC 6716, section 3.1).
//!
//! The recorder needs it to know where a packet ends, and a player to be given silence where packets are missing. Invariant: a
//! duration is told only for a packet whose frame count is within what the RFC allows.

/// 20 ms of digital silence: fullband CELT, mono, one frame. Every decoder takes it between packets of any other mode.
pub const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// Milliseconds that [`SILENCE`] plays.
pub const SILENCE_MS: u64 = 20;

/// The longest packet, RFC 6716, requirement R5 of section 3.4: 120 ms at 48 kHz.
const MAX_SAMPLES: u32 = 5_760;

/// Samples at 48 kHz that the packet plays; `None` if it is no Opus packet.
#[must_use]
pub fn duration_samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        // SILK: 10, 20, 40, 60 ms.
        config @ 0..=11 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        // Hybrid: 10, 20 ms.
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        // CELT: 2.5, 5, 10, 20 ms.
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let samples = frame * frames;
    (1..=MAX_SAMPLES).contains(&samples).then_some(samples)
}

/// Milliseconds that the packet plays, rounded up; `None` if it is no Opus packet.
#[must_use]
pub fn duration_ms(packet: &[u8]) -> Option<u64> {
    duration_samples(packet).map(|samples| u64::from(samples).div_ceil(48))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_table_of_rfc_6716() {
        for (toc, ms) in [(0, 10), (1, 20), (2, 40), (3, 60), (11, 60), (12, 10), (13, 20), (15, 20), (16, 3), (17, 5), (18, 10), (31, 20)]
        {
            assert_eq!(duration_ms(&[toc << 3, 1, 2]), Some(ms), "configuration {toc}");
        }
        assert_eq!(duration_samples(&[31 << 3 | 1, 0]), Some(1_920));
        assert_eq!(duration_samples(&[31 << 3 | 3, 3, 0]), Some(2_880));
        assert_eq!(duration_ms(&SILENCE), Some(SILENCE_MS));
    }

    #[test]
    fn what_is_no_opus_packet_has_no_duration() {
        assert_eq!(duration_samples(&[]), None);
        assert_eq!(duration_samples(&[31 << 3 | 3]), None, "frame count missing");
        assert_eq!(duration_samples(&[31 << 3 | 3, 0]), None, "no frame");
        assert_eq!(duration_samples(&[3 << 3 | 3, 3]), None, "180 ms");
    }
}
