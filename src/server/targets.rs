//! The receivers that the exporter pushes to, as they are shown to people.

use super::escape::push_escaped;
use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// One receiver. Nothing in it may be secret.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetShown {
    /// Its name.
    pub name: String,
    /// What it is sent, such as `OTLP`.
    pub protocol: &'static str,
    /// How many bytes of compressed requests wait for it.
    pub waiting_bytes: u64,
    /// How old the oldest samples are that wait, in seconds; 0 if none do.
    pub lag_seconds: f64,
    /// When it last took a request, in Unix seconds.
    pub last_success: Option<f64>,
    /// Why the last request failed, in one line. `None` after a success.
    pub last_error: Option<String>,
}

/// Where the state of all receivers comes from. Cheap to clone.
#[derive(Clone)]
pub struct Targets(Arc<dyn Fn() -> Vec<TargetShown> + Send + Sync>);

impl Targets {
    /// Receivers whose state this function gives, now, without waiting.
    #[must_use]
    pub fn new(now: impl Fn() -> Vec<TargetShown> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The state of all.
    pub(super) fn now(&self) -> Vec<TargetShown> {
        (self.0)()
    }
}

/// No receivers: nothing is pushed.
impl Default for Targets {
    fn default() -> Self {
        Self::new(Vec::new)
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Targets").field(&self.now()).finish()
    }
}

/// Adds a table of the receivers to the landing page; nothing if there are none.
pub(super) fn push_table(page: &mut String, targets: &[TargetShown]) {
    if targets.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Push</h2>\n<table>\n<tr><th>target</th><th>protocol</th><th>waiting</th><th>oldest</th><th>last \
         success</th><th>last error</th></tr>\n",
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    for target in targets {
        let oldest =
            if target.waiting_bytes == 0 { "none waits".to_owned() } else { ago(target.lag_seconds) };
        page.push_str("<tr>");
        for cell in [
            target.name.as_str(),
            target.protocol,
            &amount(target.waiting_bytes),
            &oldest,
            &target.last_success.map_or_else(|| "never".to_owned(), |time| ago(now - time)),
            target.last_error.as_deref().unwrap_or_default(),
        ] {
            page.push_str("<td>");
            push_escaped(page, cell);
            page.push_str("</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

fn ago(seconds: f64) -> String {
    format!("{:.0} s ago", seconds.max(0.0))
}

fn amount(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> TargetShown {
        TargetShown {
            name: "https://mimir/<push>".into(),
            protocol: "remote write 2.0",
            waiting_bytes: 20 << 20,
            lag_seconds: 61.4,
            last_success: None,
            last_error: Some("500: <b>no & never</b>".into()),
        }
    }

    #[test]
    fn a_target_is_a_row_of_text() {
        let mut page = String::new();
        push_table(&mut page, &[target()]);
        assert!(page.contains("<td>https://mimir/&lt;push&gt;</td><td>remote write 2.0</td><td>20 MiB</td>"));
        assert!(
            page.contains("<td>61 s ago</td><td>never</td><td>500: &lt;b&gt;no &amp; never&lt;/b&gt;</td>")
        );
        let mut page = String::new();
        let fine = TargetShown { waiting_bytes: 0, last_success: Some(0.0), last_error: None, ..target() };
        push_table(&mut page, &[fine]);
        assert!(page.contains("<td>0 bytes</td><td>none waits</td>") && page.ends_with("</tr>\n</table>\n"));
    }

    #[test]
    fn without_push_there_is_no_table() {
        let mut page = String::new();
        push_table(&mut page, &Targets::default().now());
        assert_eq!(page, "");
    }
}
