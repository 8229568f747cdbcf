//! The file for binary messages.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::options::Options;

/// A file that is made, or emptied, when there is something for it.
pub(super) struct Output {
    path: PathBuf,
    /// Open already if there was one before.
    existing: Option<File>,
    begun: Option<BufWriter<File>>,
}

impl Output {
    /// Sees whether the file can be written, and leaves it as it is.
    ///
    /// # Errors
    ///
    /// It cannot be written, or it is what is to be sent.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, String> {
        let fail = |error: io::Error| format!("cannot write {}: {error}", path.display());
        let existing = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(fail(error)),
        };
        match &existing {
            None => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new("."));
                access(parent, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| fail(errno.into()))?;
            }
            Some(file) if is_sent(&file.metadata().map_err(fail)?, options) => {
                return Err(format!("cannot write {}: it is to be sent", path.display()));
            }
            Some(_) => {}
        }
        Ok(Self { path: path.into(), existing, begun: None })
    }

    pub(super) fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.begun {
            return file.write_all(payload);
        }
        let file = match self.existing.take() {
            None => File::create(&self.path)?,
            Some(file) => {
                // There is nothing to be emptied in a pipe or a device.
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file
            }
        };
        self.begun.insert(BufWriter::new(file)).write_all(payload)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.begun.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// Whether this is a file that is to be sent, by whatever name. Pipes and devices can be read and written at once.
fn is_sent(output: &Metadata, options: &Options) -> bool {
    let is_it =
        |input: Metadata| input.is_file() && (input.dev(), input.ino()) == (output.dev(), output.ino());
    let stdin = || File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata();
    options.files.iter().any(|path| fs::metadata(path).is_ok_and(is_it))
        || (options.files.is_empty() && stdin().is_ok_and(is_it))
}
