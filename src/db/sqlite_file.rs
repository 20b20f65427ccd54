//! A [`SqliteFile`] is the file of a database, which an operator may replace while it is open.
//!
//! Beside it another one, `<file>.mark`, has the number of the last transaction: a database that
//! has fewer was restored.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// What distinguishes one file from another at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The files that the last connection opened: the database, and its write-ahead log.
#[derive(Clone, Copy, Debug, Default)]
struct Opened {
    database: Option<FileId>,
    log: Option<FileId>,
}

/// The path of a database, and what this process last found there.
#[derive(Debug)]
pub(super) struct SqlitePath {
    path: PathBuf,
    /// While it is locked: one connection is opened at a time, without an await.
    opened: Mutex<Opened>,
}

impl SqlitePath {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, opened: Mutex::default() }
    }

    /// Calls `open` with the file that is there now, one call at a time.
    ///
    /// If it is another one than before, the write-ahead log of the one before is removed first:
    /// SQLite would take it for the log of the new one.
    ///
    /// # Errors
    ///
    /// If there is no file, or those of `open`.
    pub(super) fn open<T, E>(
        self: &Arc<Self>,
        open: impl FnOnce(&SqliteFile) -> Result<T, E>,
    ) -> Result<(T, SqliteFile), E>
    where
        E: From<String>,
    {
        let mut opened = self.opened.lock();
        let Some(id) = FileId::of(&self.path) else {
            return Err(format!("there is no file {}", self.path.display()).into());
        };
        let is_replacement = opened.database.is_some_and(|before| before != id);
        if is_replacement && opened.log.is_some() && opened.log == FileId::of(&self.beside("-wal")) {
            // What cannot be removed is reported by SQLite, as a database that is malformed.
            let _ = (fs::remove_file(self.beside("-wal")), fs::remove_file(self.beside("-shm")));
        }
        let file = SqliteFile { of: self.clone(), id, is_replacement };
        let value = open(&file)?;
        *opened = Opened { database: Some(id), log: FileId::of(&self.beside("-wal")) };
        Ok((value, file))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

/// The file that a connection opened.
#[derive(Debug)]
pub(super) struct SqliteFile {
    of: Arc<SqlitePath>,
    id: FileId,
    is_replacement: bool,
}

impl SqliteFile {
    /// Returns whether this file is still the one at its path.
    pub(super) fn is_current(&self) -> bool {
        FileId::of(&self.of.path) == Some(self.id)
    }

    /// Returns whether this process had another file open before.
    pub(super) const fn is_replacement(&self) -> bool {
        self.is_replacement
    }

    /// Returns the number of the last transaction that was recorded, if one was.
    pub(super) fn recorded(&self) -> Option<u64> {
        fs::read_to_string(self.of.beside(".mark")).ok()?.trim().parse().ok()
    }

    /// Records the number of the last transaction. It is written in place and with leading zeros,
    /// so that a process that is killed leaves the old number or the new one. It is not synced: a
    /// number that is too low after a power failure does no harm.
    pub(super) fn record(&self, mark: &str) {
        let path = self.of.beside(".mark");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        if let Err(error) = file.and_then(|mut file| file.write_all(format!("{mark:0>20}\n").as_bytes())) {
            tracing::warn!(file = %path.display(), cause = %error, "a restored database will not be recognised");
        }
    }
}
