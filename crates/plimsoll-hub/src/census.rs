//! One load of facts, with everything that is computed from it.

use std::sync::{Arc, Mutex, PoisonError};

use plimsoll_store::census::Facts;

use crate::anonymity;
use crate::answers::{DEFAULT_DAYS, Question, View};
use crate::images::Images;
use crate::table::Table;

/// How many windows are kept for those with the key, beside those of questions that say none.
const MOST_WINDOWS: usize = DEFAULT_DAYS.len() + 1;

/// What questions are answered from. It never changes; the next load makes another one.
pub(crate) struct Census {
    facts: Facts,
    images: Images,
    /// The one window that everybody sees.
    public: Table,
    /// Windows for those with the key, the latest one last.
    whole: Mutex<Vec<Arc<Table>>>,
    k: u64,
}

impl Census {
    /// Takes a while: everything is looked at.
    pub(crate) fn new(facts: Facts, k: u64) -> Self {
        let images = Images::of(&facts);
        let public = anonymity::publish(&facts, &images, k);
        Self { facts, images, public, whole: Mutex::default(), k }
    }

    /// Installations that reported in the window that everybody sees.
    pub(crate) fn installations(&self) -> u64 {
        self.public.installations
    }

    /// An answer, as JSON. Takes a while for a window that nobody asked for before.
    pub(crate) fn answer(&self, question: &Question, is_whole: bool) -> Vec<u8> {
        let view = |table| View { facts: &self.facts, images: &self.images, table };
        if is_whole {
            question.answer(view(&*self.whole(question.days())), self.k)
        } else {
            question.answer(view(&self.public), self.k)
        }
    }

    /// Computes windows before somebody with the key asks for them.
    pub(crate) fn prepare(&self, windows: &[u32]) {
        for days in windows {
            self.whole(*days);
        }
    }

    fn whole(&self, days: u32) -> Arc<Table> {
        let windows = || self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = windows().iter().find(|table| table.days == days) {
            return Arc::clone(table);
        }
        let table = Arc::new(Table::whole(&self.facts, &self.images, days));
        let mut windows = windows();
        if windows.len() == MOST_WINDOWS {
            // The others are asked for more often.
            let odd = windows.iter().position(|table| !DEFAULT_DAYS.contains(&table.days));
            windows.remove(odd.unwrap_or_default());
        }
        windows.push(Arc::clone(&table));
        table
    }
}
