//! Copying signed checkpoints to places where nobody can take them back: a folder, an object store with a lock, an HTTP address, a witness.

use super::FeedError;
use super::settings::{CopyConfig, address, secret, wrong};
use super::web::{answered, authorized, bearer};
use crate::crypto::digest::sha256;
use crate::crypto::signing::{is_witness_key, open_cosignature};
use crate::domain::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use rusty_s3::actions::{PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For how long a signed request to an object store is good.
const SIGNED_FOR: Duration = Duration::from_mins(5);

/// A signed checkpoint to be copied.
#[derive(Debug, Clone)]
pub struct Copy {
    /// Entries it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
    /// When it is copied.
    pub at: Timestamp,
    /// For a witness: the size it saw last, and that the log grew from there (RFC 6962, section 2.1.2).
    pub grown: Option<(u64, Vec<[u8; 32]>)>,
}

/// A place that checkpoints are copied to.
pub enum Keeper {
    /// Files in a folder, each written once.
    Folder(PathBuf),
    /// Objects in a store that locks them.
    Objects(Box<Objects>),
    /// An HTTP address.
    Web(Web),
    /// A C2SP tlog-witness.
    Witness(Web, String),
}

/// An object store.
pub struct Objects {
    bucket: Bucket,
    prefix: String,
    credentials: Credentials,
    lock_days: u32,
    http: reqwest::Client,
}

/// An HTTP address.
pub struct Web {
    to: reqwest::Url,
    authorization: Option<HeaderValue>,
    http: reqwest::Client,
}

impl Keeper {
    /// What the configuration says. Nothing is connected yet.
    ///
    /// # Errors
    /// [`FeedError::Settings`].
    pub fn new(config: &CopyConfig) -> Result<Self, FeedError> {
        let name = &config.name;
        if config.every_seconds == 0 || config.lock_days == 0 {
            return Err(wrong(name, "every_seconds and lock_days must be at least 1"));
        }
        let token = secret(name, config.token_file.as_deref())?;
        if let Some(folder) = config.to.strip_prefix("file://") {
            let folder = PathBuf::from(folder);
            return if folder.is_absolute() { Ok(Self::Folder(folder)) } else { Err(wrong(name, "file:// needs an absolute path")) };
        }
        if let Some(store) = config.to.strip_prefix("s3+") {
            let url = address(name, store)?;
            let mut path = url.path().trim_matches('/').splitn(2, '/');
            let bucket =
                path.next().filter(|bucket| !bucket.is_empty()).ok_or_else(|| wrong(name, "the address names no bucket"))?.to_owned();
            let prefix = path.next().map(|prefix| format!("{prefix}/")).unwrap_or_default();
            let mut endpoint = url.clone();
            endpoint.set_path("");
            let bucket = Bucket::new(endpoint, UrlStyle::Path, bucket, config.region.clone()).map_err(|e| wrong(name, e))?;
            let token = token.ok_or_else(|| wrong(name, "an object store needs a token_file"))?;
            let (id, key) =
                token.split_once('\n').ok_or_else(|| wrong(name, "token_file must have the key's id and the key, a line each"))?;
            let credentials = Credentials::new(id.trim(), key.trim());
            let http = config.tls.http(name)?;
            return Ok(Self::Objects(Box::new(Objects { bucket, prefix, credentials, lock_days: config.lock_days, http })));
        }
        let mut to = address(name, &config.to)?;
        let web = |to| Ok::<_, FeedError>(Web { to, authorization: bearer(token)?, http: config.tls.http(name)? });
        match &config.witness {
            None => Ok(Self::Web(web(to)?)),
            Some(key) if is_witness_key(key) => {
                let path = format!("{}/add-checkpoint", to.path().trim_end_matches('/'));
                to.set_path(&path);
                Ok(Self::Witness(web(to)?, key.clone()))
            }
            Some(_) => Err(wrong(name, "witness is not the verifier key of a cosigner")),
        }
    }

    /// Whether it wants to be shown that the log grew.
    #[must_use]
    pub const fn is_witness(&self) -> bool {
        matches!(self, Self::Witness(..))
    }

    /// Copies a checkpoint; a witness's signature comes back, with the witness's name.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn keep(&self, copy: &Copy) -> Result<Option<(String, String)>, FeedError> {
        match self {
            Self::Folder(folder) => {
                let (folder, copy) = (folder.clone(), copy.clone());
                let written = tokio::task::spawn_blocking(move || write_once(&folder, &copy)).await;
                written.unwrap_or_else(|e| Err(FeedError::Unreachable(e.to_string())))?;
            }
            Self::Objects(objects) => objects.put(copy).await?,
            Self::Web(web) => {
                let request = web.http.post(web.to.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8");
                answered(authorized(request, web.authorization.as_ref()).body(copy.note.clone()).send().await)?;
            }
            Self::Witness(web, key) => return cosign(web, key, copy).await.map(Some),
        }
        Ok(None)
    }
}

/// A file that is there already must say the same: it is never written over.
fn write_once(folder: &Path, copy: &Copy) -> Result<(), FeedError> {
    let failed = |error: io::Error| FeedError::Unreachable(error.to_string());
    // the folder is not made: where a disk is not mounted, nothing must lie in its place
    let path = folder.join(copy.size.to_string());
    let half = folder.join(format!(".{}.half", copy.size));
    let mut file = File::create(&half).map_err(failed)?;
    file.write_all(copy.note.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let linked = fs::hard_link(&half, &path);
    fs::remove_file(&half).map_err(failed)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = fs::read_to_string(&path).map_err(failed)?;
            if there != copy.note {
                return Err(FeedError::Occupied(format!("{} is another checkpoint of the same size", path.display())));
            }
        }
        Err(error) => return Err(failed(error)),
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

impl Objects {
    /// Puts an object under a lock that even the store's owner cannot lift before its time.
    async fn put(&self, copy: &Copy) -> Result<(), FeedError> {
        let object = format!("{}{}", self.prefix, copy.size);
        // whole seconds, as object stores write them
        let at = Timestamp::from_micros(copy.at.as_micros() / 1_000_000 * 1_000_000);
        let until = at.plus(Duration::from_secs(u64::from(self.lock_days) * 86_400));
        let headers = [
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
            ("x-amz-object-lock-retain-until-date", until.to_string()),
            ("x-amz-checksum-sha256", STANDARD.encode(sha256(&[copy.note.as_bytes()]))),
        ];
        let mut action = PutObject::new(&self.bucket, Some(&self.credentials), &object);
        for (name, value) in &headers {
            action.headers_mut().insert(*name, value.clone());
        }
        let mut request = self.http.put(action.sign(SIGNED_FOR));
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        answered(request.body(copy.note.clone()).send().await).map(|_| ())
    }
}

/// C2SP tlog-witness, `add-checkpoint`.
async fn cosign(web: &Web, key: &str, copy: &Copy) -> Result<(String, String), FeedError> {
    let (old, proof) = copy.grown.clone().unwrap_or_default();
    let mut lines = vec![format!("old {old}")];
    lines.extend(proof.iter().map(|hash| STANDARD.encode(hash)));
    let body = format!("{}\n\n{}", lines.join("\n"), copy.note);
    let answer = authorized(web.http.post(web.to.clone()), web.authorization.as_ref()).body(body).send().await;
    if let Ok(conflict) = &answer
        && conflict.status() == reqwest::StatusCode::CONFLICT
    {
        let text = answer.map_err(|e| FeedError::Unreachable(e.without_url().to_string()))?.text().await.unwrap_or_default();
        return Err(text.trim().parse().map_or(FeedError::Refused { status: 409, wait: None }, FeedError::OtherSize));
    }
    let lines = answered(answer)?.text().await.map_err(|e| FeedError::Unreachable(e.without_url().to_string()))?;
    let line = lines.lines().find(|line| open_cosignature(key, &copy.note, line).is_some()).ok_or(FeedError::Cosignature)?;
    let name = key.split('+').next().unwrap_or_default();
    Ok((name.to_owned(), line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(to: &str) -> CopyConfig {
        toml::from_str(&format!("name = \"x\"\nto = \"{to}\"")).expect("settings")
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        for (to, names) in [
            ("file://relative", "absolute"),
            ("s3+https://store.example/", "bucket"),
            ("s3+https://store.example/b/x", "token_file"),
            ("http://store.example/x", "https"),
        ] {
            let refused = Keeper::new(&config(to)).err().expect("refused").to_string();
            assert!(refused.contains(names), "{refused}");
        }
        let witness = CopyConfig { witness: Some("x+00000000+AAAA".to_owned()), ..config("https://witness.example") };
        assert!(Keeper::new(&witness).err().expect("refused").to_string().contains("cosigner"));
    }

    #[test]
    fn a_file_is_written_once_and_another_of_the_same_size_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let copy = |note: &str| Copy { size: 7, note: note.to_owned(), at: Timestamp::from_micros(0), grown: None };
        write_once(folder.path(), &copy("one")).expect("written");
        write_once(folder.path(), &copy("one")).expect("the same again");
        assert!(matches!(write_once(folder.path(), &copy("two")), Err(FeedError::Occupied(_))));
        assert_eq!(fs::read_to_string(folder.path().join("7")).expect("kept"), "one");
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1, "nothing half-written stays");
        assert!(matches!(write_once(&folder.path().join("not-mounted"), &copy("one")), Err(FeedError::Unreachable(_))));
    }
}
