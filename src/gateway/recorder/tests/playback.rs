//! Real media: what is recorded plays as standard WebM, by the judgment of ffmpeg and ffprobe.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::*;

fn tool(program: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {complaints}");
    (output.stdout, complaints)
}

/// An encoded frame and when it was captured.
pub(super) struct Sample {
    at_ms: u64,
    data: Vec<u8>,
}

/// Encodes a test picture as VP8, a keyframe every second, and reads the IVF file that comes of it.
pub(super) fn encoded_picture(folder: &Path, seconds: u64) -> Vec<Sample> {
    let path = folder.join("picture.ivf");
    let source = format!("testsrc=size=320x240:rate=25:duration={seconds}");
    let to = path.to_str().unwrap();
    tool(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            &source,
            "-c:v",
            "libvpx",
            "-deadline",
            "realtime",
            "-auto-alt-ref",
            "0",
            "-g",
            "25",
            "-b:v",
            "800k",
            "-f",
            "ivf",
            to,
        ],
    );
    let file = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut samples = Vec::new();
    let mut at = 32;
    while at < file.len() {
        let length = u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let frame = u64::from_le_bytes(file[at + 4..at + 12].try_into().unwrap());
        samples.push(Sample { at_ms: frame * 40, data: file[at + 12..at + 12 + length].to_vec() });
        at += 12 + length;
    }
    samples
}

/// Encodes a tone as Opus packets of 20 ms and reads the Ogg file that comes of it (RFC 3533).
pub(super) fn encoded_voice(folder: &Path, seconds: u64) -> Vec<Sample> {
    let path = folder.join("voice.ogg");
    let source = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let to = path.to_str().unwrap();
    tool("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", &source, "-ac", "2", "-c:a", "libopus", "-b:a", "48k", "-f", "ogg", to]);
    let file = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let (mut packets, mut packet, mut at) = (Vec::new(), Vec::new(), 0);
    while at < file.len() {
        let segments = usize::from(file[at + 26]);
        let table = &file[at + 27..at + 27 + segments];
        at += 27 + segments;
        for length in table {
            packet.extend_from_slice(&file[at..at + usize::from(*length)]);
            at += usize::from(*length);
            if *length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
    }
    // The first two are headers (RFC 7845, section 5).
    packets.drain(..2);
    (0..).step_by(20).zip(packets).map(|(at_ms, data)| Sample { at_ms, data }).collect()
}

/// Both tracks as packets in the order of arrival: after the first tenth of a second, jitter of up to 30 ms puts them out of order.
pub(super) fn packets(started: Instant, voice: &[Sample], picture: &[Sample]) -> Vec<MediaPacket> {
    let mut sequence = 65_400;
    let mut all: Vec<MediaPacket> = voice
        .iter()
        .enumerate()
        .map(|(number, sample)| MediaPacket { payload: sample.data.clone().into(), ..super::voice(started, number as u64) })
        .collect();
    for sample in picture {
        all.extend(super::picture(started, sample.at_ms, &mut sequence, Source::Camera, &sample.data));
    }
    for (number, packet) in all.iter_mut().enumerate() {
        if packet.arrived >= started + ms(100) {
            packet.arrived += ms(number as u64 * 7 % 30);
        }
    }
    all.sort_by_key(|packet| packet.arrived);
    all
}

fn probe(path: &Path) -> serde_json::Value {
    let arguments = ["-v", "error", "-count_packets", "-show_format", "-show_streams", "-of", "json", path.to_str().unwrap()];
    let (out, complaints) = tool("ffprobe", &arguments);
    assert_eq!(complaints, "", "ffprobe has nothing to complain of");
    serde_json::from_slice(&out).unwrap()
}

fn assert_decodes(path: &Path, arguments: &[&str]) {
    let input = path.to_str().unwrap();
    let all = [&["-v", "warning", "-xerror"], arguments, &["-i", input, "-f", "null", "-"]].concat();
    assert_eq!(tool("ffmpeg", &all).1, "", "ffmpeg has nothing to complain of with {arguments:?}");
}

#[test]
fn a_recorded_call_plays_as_standard_webm_and_seeks() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(&folder.path().join("recordings"));
    let (voice, picture) = (encoded_voice(folder.path(), 8), encoded_picture(folder.path(), 8));
    for packet in packets(started, &voice, &picture) {
        session.take(packet);
    }
    let outcome = session.close_stretch(0);
    assert!(outcome.failure.is_none());
    let (voices, pictures) = (of(&outcome.parts, Source::Microphone), of(&outcome.parts, Source::Camera));
    assert_eq!((voices.len(), pictures.len()), (1, 1));
    assert_eq!((pictures[0].header.identity.width, pictures[0].header.identity.height), (320, 240));

    let file = presentation(&voices, &pictures, 0);
    let whole = read(&file, 0..file.len(), store.as_ref(), &voices, &pictures);
    assert_eq!(whole.len() as u64, file.len());
    let path = folder.path().join("playback.webm");
    fs::write(&path, &whole).unwrap();

    let told = probe(&path);
    let stream = |index: usize, name: &str| told["streams"][index][name].to_string().replace('"', "");
    assert_eq!(told["format"]["format_name"], "matroska,webm");
    let duration: f64 = told["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((duration - 8.0).abs() < 0.1, "{duration}");
    assert_eq!((stream(0, "codec_name"), stream(1, "codec_name")), ("opus".into(), "vp8".into()));
    assert_eq!((stream(1, "width"), stream(1, "height")), ("320".into(), "240".into()));
    // All frames that were sent, and no others.
    assert_eq!((stream(0, "nb_read_packets"), stream(1, "nb_read_packets")), (voice.len().to_string(), picture.len().to_string()));

    assert_decodes(&path, &[]);
    for target in ["0.5", "3.5", "6.98"] {
        assert_decodes(&path, &["-ss", target]);
        let input = path.to_str().unwrap();
        let (pixels, _) =
            tool("ffmpeg", &["-v", "error", "-ss", target, "-i", input, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
        assert_eq!(pixels.len(), 320 * 240, "a picture at {target} s");
    }
}

#[test]
fn pauses_become_parts_with_keys_of_their_own_on_one_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let (mut session, store, started) = session(&folder.path().join("recordings"));
    let (voice, picture) = (encoded_voice(folder.path(), 9), encoded_picture(folder.path(), 9));
    let later = Stretch { consent_set: [9; 32], ..STRETCH };
    let mut outcomes = Vec::new();
    for packet in packets(started, &voice, &picture) {
        let at = packet.arrived - started;
        if outcomes.is_empty() && at > ms(3_500) {
            outcomes.push(session.close_stretch(0));
        }
        if at >= ms(5_500) && session.is_paused() {
            session.open_stretch(started + ms(5_500), later);
        }
        session.take(packet);
    }
    outcomes.push(session.close_stretch(0));
    let parts: Vec<_> = outcomes.into_iter().flat_map(|outcome| outcome.parts).collect();
    let (voices, pictures) = (of(&parts, Source::Microphone), of(&parts, Source::Camera));
    assert_eq!((voices.len(), pictures.len()), (2, 2));
    let consents: BTreeSet<_> = voices.iter().map(|part| part.header.identity.binding.consent_set).collect();
    assert_eq!(consents, BTreeSet::from([[1; 32], [9; 32]]));
    for part in voices.iter().chain(&pictures) {
        let times = times(store.as_ref(), part);
        let within = if part.header.identity.binding.consent_set == [1; 32] { 0..3_540 } else { 5_500..9_100 };
        assert!(times.iter().all(|at| within.contains(at)), "{times:?}");
    }

    let file = presentation(&voices, &pictures, 9_000);
    let path = folder.path().join("playback.webm");
    fs::write(&path, read(&file, 0..file.len(), store.as_ref(), &voices, &pictures)).unwrap();
    let told = probe(&path);
    let duration: f64 = told["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((duration - 9.0).abs() < 0.1, "{duration}");
    assert_decodes(&path, &[]);
    assert_decodes(&path, &["-ss", "6.5"]);
}
