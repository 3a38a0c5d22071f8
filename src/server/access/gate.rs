//! Lets requests through that the rules allow.

use super::{
    changes::{Changes, Told},
    digest::Key,
    passwords::{Passwords, Verdict},
    rules::Rules,
    sources::{LoadError, Seen, Sources},
};
use crate::{
    advice::access::{self as advice, Concern},
    server::{peer::Peer, refusals::Reason},
    table::SelfMetrics,
};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Some clients leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The rules in force, and what is needed to apply them and to read them again.
#[derive(Debug)]
pub struct Access {
    sources: Sources,
    key: Key,
    passwords: Passwords,
    metrics: SelfMetrics,
    rules: Mutex<Arc<Rules>>,
    told: Told,
    /// The files that were read last, and why they are not in force if they are not.
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    seen: Vec<Seen>,
    problem: Option<String>,
}

/// Why a request is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Denied {
    /// Without the right password or token. Whether each of them is taken.
    Unauthorized { basic: bool, bearer: bool },
    /// Too many requests. When there may be one again.
    TooMany(Duration),
    /// Too many passwords wait to be checked.
    Busy,
}

/// How a request says who it is from.
enum Credentials {
    None,
    Basic(Vec<u8>, Vec<u8>),
    Bearer(Vec<u8>),
}

impl Access {
    /// Reads all files. Says in the log what should be looked at. Starts no thread: [`super::watch()`] does.
    ///
    /// # Errors
    /// If a file can't be read or is wrong.
    pub fn load(sources: Sources, metrics: SelfMetrics) -> Result<Arc<Self>, LoadError> {
        let key = Key::random().ok_or_else(|| LoadError::System("there are no random bytes".into()))?;
        let (seen, rules) = Rules::load(&sources, &key, None);
        let rules = Arc::new(rules?);
        let has_files = sources.has_files();
        let access = Self {
            sources,
            key,
            passwords: Passwords::new(),
            metrics,
            rules: Mutex::new(Arc::clone(&rules)),
            told: Told::default(),
            last: Mutex::new(Last { seen, problem: None }),
        };
        access.show(&rules);
        if has_files {
            for result in ["success", "failure"] {
                access.metrics.config_reloads.with_label_values(&[result]).inc_by(0.0);
            }
            access.metrics.config_last_reload.with_label_values::<&str>(&[]).set(1.0);
        }
        access.warn();
        Ok(Arc::new(access))
    }

    /// Whether HTTPS is served. This does not change.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.rules().tls.is_some()
    }

    /// The files that are read, and where links lead from them. They must stay readable, and so must what
    /// replaces them: their folders.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = self.seen().into_iter().map(|(path, _)| path).collect();
        let targets: Vec<_> = files.iter().filter_map(|path| path.canonicalize().ok()).collect();
        files.extend(targets);
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Whether there are files that can be read again.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.sources.has_files()
    }

    /// The rules that are in force.
    pub(in crate::server) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The changes of who may ask, from now on.
    pub(in crate::server) fn changes(&self) -> Changes {
        self.told.changes()
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that were read last, as they were then.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.last().seen.clone()
    }

    /// Reads all files again. If something is wrong, the rules stay what they are. The same problem is told
    /// again only if `is_asked`.
    pub(super) fn reload(&self, is_asked: bool) {
        let before = self.rules();
        let (seen, loaded) = Rules::load(&self.sources, &self.key, Some(&before));
        let loaded = loaded.and_then(|rules| {
            if rules.tls.is_some() != before.tls.is_some() {
                return Err(LoadError::System(advice::needs_restart().into()));
            }
            // A file that was emptied by accident must not let everybody in.
            if before.asks_who() && !rules.asks_who() {
                return Err(LoadError::System(advice::opens_to_all().into()));
            }
            self.prepare(&rules).map(|()| Arc::new(rules))
        });
        let problem = loaded.as_ref().err().map(ToString::to_string);
        let known = {
            let mut last = self.last();
            last.seen = seen;
            std::mem::replace(&mut last.problem, problem.clone())
        };
        let is_success = loaded.is_ok();
        let result = if is_success { "success" } else { "failure" };
        self.metrics.config_reloads.with_label_values(&[result]).inc();
        let flag = if is_success { 1.0 } else { 0.0 };
        self.metrics.config_last_reload.with_label_values::<&str>(&[]).set(flag);
        match loaded {
            Ok(rules) => {
                self.show(&rules);
                let now = Arc::clone(&rules);
                *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
                self.passwords.forget();
                let is_new_to_certificates = !now.asks_the_same_of_certificates(&before);
                if is_new_to_certificates || !now.takes_the_same(&before) {
                    self.told.tell(is_new_to_certificates);
                }
                tracing::info!("certificates, passwords and tokens were read again and are in force");
                self.warn();
            }
            Err(error) if is_asked || known != problem => {
                tracing::error!("{error}; {}", advice::kept());
            }
            Err(error) => tracing::debug!("{error}; {}", advice::kept()),
        }
    }

    /// Whether client certificates are checked with the authorities of the system, which are read again too.
    #[must_use]
    pub fn trusts_the_system(&self) -> bool {
        self.rules().concerns().contains(&Concern::SystemAuthorities)
    }

    /// Starts the threads that rules need before they are in force.
    pub(super) fn prepare(&self, rules: &Rules) -> Result<(), LoadError> {
        if rules.users.is_empty() {
            return Ok(());
        }
        let wrong = |error| LoadError::System(format!("passwords can't be checked: {error}"));
        self.passwords.start().map_err(wrong)
    }

    fn show(&self, rules: &Rules) {
        if let Some(expiry) = rules.tls.as_ref().and_then(|tls| tls.expiry) {
            self.metrics.tls_expiry.with_label_values::<&str>(&[]).set(expiry.as_secs_f64());
        }
    }

    /// Says in the log what should be looked at.
    pub(super) fn warn(&self) {
        for concern in self.rules().concerns() {
            tracing::warn!("{concern}");
        }
    }

    /// Lets a request for a path through, by the value of its header `Authorization`, or says why not.
    ///
    /// # Errors
    /// [`Denied`]
    pub(in crate::server) async fn admit(
        &self,
        path: &str,
        credentials: Option<HeaderValue>,
        peer: Peer,
    ) -> Result<(), Denied> {
        let rules = self.rules();
        let is_health = matches!(path, "/healthz" | "/readyz");
        if is_health && self.sources.open_health {
            return Ok(());
        }
        if let Some(bucket) = &rules.bucket {
            bucket.take().map_err(Denied::TooMany)?;
        }
        let denied =
            Denied::Unauthorized { basic: !rules.users.is_empty(), bearer: !rules.tokens.is_empty() };
        if denied == (Denied::Unauthorized { basic: false, bearer: false }) {
            return Ok(());
        }
        match credentials.as_ref().map_or(Credentials::None, read) {
            Credentials::None => Err(denied),
            Credentials::Bearer(token) => {
                let is_right = rules.tokens.has(&token, &self.key)
                    || (is_health && rules.of_health.has(&token, &self.key));
                is_right.then_some(()).ok_or(denied)
            }
            Credentials::Basic(..) if rules.users.is_empty() => Err(denied),
            Credentials::Basic(user, password) => {
                match self.passwords.check(&rules.users, (&user, &password), &self.key, peer).await {
                    Verdict::Right => Ok(()),
                    Verdict::Wrong => Err(denied),
                    Verdict::Busy => Err(Denied::Busy),
                }
            }
        }
    }
}

/// Reads the value of the header `Authorization`.
fn read(header: &HeaderValue) -> Credentials {
    let bytes = header.as_bytes();
    let (scheme, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len()));
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Credentials::Bearer(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Credentials::None;
    }
    let text = BASE64.decode(rest).unwrap_or_default();
    let mut parts = text.splitn(2, |byte| *byte == b':');
    match (parts.next(), parts.next()) {
        (Some(user), Some(password)) => Credentials::Basic(user.to_vec(), password.to_vec()),
        _ => Credentials::None,
    }
}

impl Denied {
    pub(in crate::server) fn reason(self) -> Reason {
        match self {
            Self::Unauthorized { .. } => Reason::Unauthorized,
            Self::TooMany(_) => Reason::Rate,
            Self::Busy => Reason::Passwords,
        }
    }

    pub(in crate::server) fn response<B: From<Bytes>>(self) -> Response<B> {
        let (status, text) = match self {
            Self::Unauthorized { .. } => (StatusCode::UNAUTHORIZED, "unauthorized\n"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too many requests\n"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many passwords wait to be checked\n"),
        };
        let mut response = Response::new(B::from(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self {
            Self::Unauthorized { basic, bearer } => {
                if basic {
                    let challenge = "Basic realm=\"metrics\", charset=\"UTF-8\"";
                    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                }
                if bearer {
                    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"metrics\""));
                }
            }
            Self::TooMany(time) => {
                let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            }
            Self::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(header: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        match read(&HeaderValue::from_bytes(header.as_bytes()).unwrap()) {
            Credentials::Basic(user, password) => Some((user, password)),
            _ => None,
        }
    }

    #[test]
    fn a_user_and_a_password_are_read_as_browsers_and_scrapers_write_them() {
        let alice = Some((b"alice".to_vec(), b"right".to_vec()));
        for header in ["Basic YWxpY2U6cmlnaHQ=", "basic  YWxpY2U6cmlnaHQ= ", "BASIC YWxpY2U6cmlnaHQ"] {
            assert_eq!(basic(header), alice, "{header}");
        }
        assert_eq!(basic("Basic Og=="), Some((Vec::new(), Vec::new())));
        assert_eq!(basic("Basic YTpiOmM="), Some((b"a".to_vec(), b"b:c".to_vec())));
        for header in
            ["", "Basic", "Basic ", "Basic YWxpY2U=", "Basic !!!", "Digest YWxpY2U6cmlnaHQ=", "YTpi"]
        {
            assert_eq!(basic(header), None, "{header}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_be_taken_and_when_to_come_again() {
        let denied = Denied::TooMany(Duration::from_millis(1_001)).response::<Bytes>();
        assert_eq!((denied.status().as_u16(), &denied.headers()[RETRY_AFTER]), (429, &HeaderValue::from(2)));
        let denied = Denied::Busy.response::<Bytes>();
        assert_eq!((denied.status().as_u16(), &denied.headers()[RETRY_AFTER]), (503, &HeaderValue::from(1)));
        for (basic, bearer, count) in [(true, false, 1), (false, true, 1), (true, true, 2)] {
            let denied = Denied::Unauthorized { basic, bearer }.response::<Bytes>();
            assert_eq!(denied.headers().get_all(WWW_AUTHENTICATE).iter().count(), count);
        }
    }
}
