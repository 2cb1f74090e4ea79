//! A question while it is being answered: a connection, the names in the file, and what is not in it yet.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::directory::Directory;
use crate::fetch::Source;
use crate::file::File;
use crate::hot::Shared;
use crate::query::select::{Chosen, Newest};
use crate::unsealed::{Replayed, Unsealed};
use crate::{Error, ErrorKind, Millis};

/// How many connections are kept for the next questions.
const MAX_IDLE: usize = 4;

/// The most threads that one question is answered by.
const MAX_WORKERS: usize = 4;

/// From how many lines on a question is answered by more than one thread.
const MANY_LINES: usize = 16;

/// The connections to a file.
pub(crate) struct Connections {
    /// What is not in the file yet; absent where that is taken from the journal.
    agent: Option<Arc<Shared>>,
    pub(crate) path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    /// The newest reading of the file's names, for connections that find theirs old.
    newest: Mutex<Option<(Mark, Arc<Directory>)>>,
}

/// A connection, and what was read by it when the file last changed.
struct Reader {
    file: File,
    generation: u64,
    version: i64,
    directory: Arc<Directory>,
    unsealed: Unsealed,
}

/// By what is seen that the names in a file changed: how many there are, and the last sample.
type Mark = [i64; 5];

/// A question while it is being answered.
pub(crate) struct Asking<'a> {
    history: &'a Connections,
    reader: Reader,
}

impl Connections {
    pub(crate) fn new(path: &Path, agent: Option<Arc<Shared>>) -> Self {
        let (idle, newest) = (Mutex::default(), Mutex::default());
        Self { agent, path: path.to_owned(), idle, newest }
    }

    /// Answers a question over a connection of its own.
    pub(crate) fn ask<T>(&self, answer: impl FnOnce(&Asking<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let generation = self.agent.as_ref().map_or(0, |agent| agent.generation());
        let answer = self.reader().and_then(|reader| {
            let asking = Asking { history: self, reader };
            let answer = answer(&asking);
            self.give_back(asking.reader, &answer);
            answer
        });
        if let (Err(Error::Damaged { .. }), Some(agent)) = (&answer, &self.agent) {
            agent.found_damaged(generation);
        }
        answer
    }

    /// Keeps a connection for the next question, unless the file did not do what it should.
    fn give_back<T>(&self, reader: Reader, answer: &Result<T, Error>) {
        let is_sound = answer
            .as_ref()
            .err()
            .is_none_or(|error| matches!(error.kind(), ErrorKind::Bad | ErrorKind::NotFound));
        let mut idle = lock(&self.idle);
        if is_sound && idle.len() < MAX_IDLE {
            idle.push(reader);
        }
    }

    /// A connection that knows the file as it is now.
    fn reader(&self) -> Result<Reader, Error> {
        let generation = self.agent.as_ref().map_or(0, |agent| agent.generation());
        let kept = {
            let mut idle = lock(&self.idle);
            // Of a file that was set aside there is nothing to read any more.
            idle.retain(|reader| reader.generation == generation);
            idle.pop()
        };
        let Some(mut reader) = kept else { return self.open(generation) };
        let version = reader.file.number(DATA_VERSION)?;
        if version != reader.version {
            reader.directory = self.directory(&reader.file)?;
            if self.agent.is_none() {
                reader.unsealed = Unsealed::Journal(Arc::new(Replayed::read(&reader.file)?));
            }
            reader.version = version;
        }
        Ok(reader)
    }

    fn open(&self, generation: u64) -> Result<Reader, Error> {
        let file = File::read_only(&self.path)?;
        // The version first: what is written while the rest is read is noticed the next time.
        let version = file.number(DATA_VERSION)?;
        let directory = self.directory(&file)?;
        let unsealed = match &self.agent {
            Some(agent) => Unsealed::Agent(Arc::clone(agent)),
            None => Unsealed::Journal(Arc::new(Replayed::read(&file)?)),
        };
        Ok(Reader { file, generation, version, directory, unsealed })
    }

    /// The names in the file, read anew if they changed.
    fn directory(&self, file: &File) -> Result<Arc<Directory>, Error> {
        let mark = [
            file.number("SELECT coalesce(max(id), 0) FROM series")?,
            file.number("SELECT count(*) FROM containers")?,
            file.number("SELECT coalesce(max(last_seen), 0) FROM containers")?,
            file.number("SELECT count(*) FROM spans")?,
            file.number("SELECT coalesce(max(id), 0) FROM lines")?,
        ];
        let mut newest = lock(&self.newest);
        if let Some((known, directory)) = &*newest
            && *known == mark
        {
            return Ok(Arc::clone(directory));
        }
        let directory = Arc::new(Directory::read(file)?);
        *newest = Some((mark, Arc::clone(&directory)));
        Ok(directory)
    }
}

/// Changes whenever another connection has written; see <https://sqlite.org/pragma.html#pragma_data_version>.
const DATA_VERSION: &str = "PRAGMA data_version";

impl Asking<'_> {
    pub(crate) fn directory(&self) -> &Directory {
        &self.reader.directory
    }

    pub(crate) fn file(&self) -> &File {
        &self.reader.file
    }

    /// The bound in bytes, where an agent of this process keeps it.
    pub(crate) fn max_bytes(&self) -> Option<u64> {
        self.history.agent.as_ref().map(|agent| agent.max_bytes)
    }

    /// The usual time between samples.
    pub(crate) fn interval(&self) -> Millis {
        self.reader.unsealed.interval()
    }

    /// The first and the last sample of each container that are not in the file yet.
    pub(crate) fn newest(&self) -> Newest {
        self.reader.unsealed.spans()
    }

    /// From where blocks are read.
    pub(crate) fn source(&self) -> Source<'_> {
        self.reader.source()
    }

    /// Answers for each line, for many of them by several threads. The answers are in the order of the lines.
    pub(crate) fn for_each<T: Send>(
        &self,
        lines: &[Chosen],
        answer: impl Fn(Source<'_>, &Chosen) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS));
        if lines.len() < MANY_LINES || workers < 2 {
            return lines.iter().map(|line| answer(self.source(), line)).collect();
        }
        let mut helpers = Vec::new();
        for _ in 1..workers {
            helpers.push(self.history.reader()?);
        }
        let next = AtomicUsize::new(0);
        let work = |source: Source<'_>| -> Result<Vec<(usize, T)>, Error> {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(line) = lines.get(index) else { return Ok(done) };
                match answer(source, line) {
                    Ok(answer) => done.push((index, answer)),
                    Err(error) => {
                        // The others need not go on.
                        next.store(lines.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        };
        let results = std::thread::scope(|scope| {
            let work = &work;
            let running: Vec<_> = helpers
                .into_iter()
                .map(|helper| {
                    scope.spawn(move || {
                        let done = work(helper.source());
                        (helper, done)
                    })
                })
                .collect();
            let mut results = vec![work(self.source())];
            for worker in running {
                match worker.join() {
                    Ok((helper, done)) => {
                        self.history.give_back(helper, &done);
                        results.push(done);
                    }
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        });
        let mut done: Vec<(usize, T)> = Vec::with_capacity(lines.len());
        for result in results {
            done.extend(result?);
        }
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, answer)| answer).collect())
    }
}

impl Reader {
    fn source(&self) -> Source<'_> {
        Source { file: &self.file, unsealed: &self.unsealed }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept behind it is only there to save time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
