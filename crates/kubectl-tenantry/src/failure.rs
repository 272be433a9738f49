//! Failures of verbs: a sentence that names file, line, object and a remedy.

use std::fmt;
use std::path::PathBuf;

use crate::cluster;

/// A line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileLocation {
    /// The file as given on the command line; `-` is standard input.
    pub(crate) file: PathBuf,
    /// The line, from 1.
    pub(crate) line: u64,
}

impl fmt::Display for FileLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Where in the manifests it is.
    pub(crate) spot: Option<FileLocation>,
    /// Which object it is about, as `Client acme/globex`.
    pub(crate) object: Option<String>,
    /// A clause that says what is wrong and what to do.
    pub(crate) message: String,
}

impl Failure {
    /// Creates a failure without an object or a location.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { spot: None, object: None, message: message.into() }
    }

    /// Adds the object.
    pub(crate) fn about(self, object: impl Into<String>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    /// Adds the location.
    pub(crate) fn at(self, location: &FileLocation) -> Self {
        Self { spot: Some(location.clone()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spot, object, message } = self;
        if let Some(spot) = spot {
            write!(f, "{spot}: ")?;
        }
        if let Some(object) = object {
            write!(f, "{object}: ")?;
        }
        f.write_str(message)
    }
}

impl From<Failure> for Vec<Failure> {
    fn from(failure: Failure) -> Self {
        vec![failure]
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::new(cluster::api_error_message(&error))
    }
}
