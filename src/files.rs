//! Files with secrets and certificates, which are read again when they change.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The largest file. The certificates of a whole system need less.
const BYTES: u64 = 4 << 20;

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

impl Stamp {
    /// That of a file, or of what a link leads to. `None` if there is no such file, or it can't be reached.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::from(&found))
    }
}

/// Whether every user of the host can read a file with a secret. Docker and Podman give each container its
/// own `/run/secrets`, whose files are always like that.
#[must_use]
pub fn is_for_all(path: &Path) -> bool {
    let is_in_container = path.starts_with("/run/secrets") || path.starts_with("/var/run/secrets");
    !is_in_container && fs::metadata(path).is_ok_and(|found| found.mode() & 0o004 != 0)
}

/// Files, as they were when last read.
#[derive(Debug, Default)]
pub struct Files(HashMap<PathBuf, (Stamp, Arc<[u8]>)>);

impl Files {
    /// A file's content as it is now. The same `Arc` if it has not changed.
    ///
    /// # Errors
    /// Words that name the file, but not its content.
    pub fn read(&mut self, path: &Path) -> Result<Arc<[u8]>, String> {
        let problem = |said: String| format!("{}: {said}", path.display());
        let found = fs::metadata(path).map_err(|error| problem(error.to_string()))?;
        // Opening a FIFO would wait for a writer.
        if !found.is_file() {
            return Err(problem("not a regular file".into()));
        }
        let stamp = Stamp::from(&found);
        if let Some((_, content)) = self.0.get(path).filter(|(known, _)| *known == stamp) {
            return Ok(Arc::clone(content));
        }
        let mut content = Vec::new();
        File::open(path)
            .and_then(|file| file.take(BYTES + 1).read_to_end(&mut content))
            .map_err(|error| problem(error.to_string()))?;
        if content.len() as u64 > BYTES {
            return Err(problem(format!("larger than {BYTES} bytes")));
        }
        // A file that was written without a change gives the same content.
        let content = match self.0.remove(path) {
            Some((_, known)) if *known == *content => known,
            _ => Arc::from(content),
        };
        self.0.insert(path.to_owned(), (stamp, Arc::clone(&content)));
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "one").unwrap();
        let mut files = Files::default();
        let first = files.read(&path).unwrap();
        assert_eq!(*first, *b"one");
        assert!(Arc::ptr_eq(&first, &files.read(&path).unwrap()));
        // Of the same size, and replaced as Kubernetes does it.
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(*files.read(&path).unwrap(), *b"two");
        fs::remove_file(&path).unwrap();
        assert!(files.read(&path).unwrap_err().contains("secret: No such file"));
    }

    #[test]
    fn a_file_without_an_end_or_a_size_is_refused() {
        let mut files = Files::default();
        assert!(files.read(Path::new("/dev/zero")).unwrap_err().contains("not a regular file"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(BYTES + 1).unwrap();
        assert!(files.read(&path).unwrap_err().contains("larger than"));
    }
}
