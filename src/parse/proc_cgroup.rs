//! `/proc/<pid>/cgroup`.

use super::scan::lines;

/// The cgroup v2 path of a process, from the line `0::<path>` (cgroups(7)). Lines of other hierarchies, and
/// odd lines, are ignored.
#[must_use]
pub fn unified_path(file: &[u8]) -> Option<&[u8]> {
    lines(file).find_map(|line| {
        let path = line.text.strip_prefix(b"0::").filter(|path| line.ended && path.first() == Some(&b'/'))?;
        Some(path.strip_suffix(b"\r").unwrap_or(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_line_is_found_between_any_others() {
        assert_eq!(unified_path(b"0::/a:b/c\n"), Some(&b"/a:b/c"[..]));
        assert_eq!(unified_path(b"odd\n12:pids:/x\n\xff:\xff\n1:name=systemd:/\n0::/\n"), Some(&b"/"[..]));
        for none in ["", "0:", "0::\n", "0::/cut", "0:cpu:/x\n", "10::/x\n", "0::relative\n"] {
            assert_eq!(unified_path(none.as_bytes()), None, "{none:?}");
        }
    }
}
