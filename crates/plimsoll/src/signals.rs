//! What is asked for with signals: the end, and wishes.

/// Waits for the signal to end: Ctrl-C, or SIGTERM where there is one.
pub(crate) async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What somebody can ask for with a signal.
#[derive(Clone, Copy)]
pub(crate) enum Wish {
    /// SIGHUP: the configuration is to be read again.
    Reload,
    /// SIGUSR1: what waits for targets is to be sent now.
    Flush,
}

/// Signals of one kind, where there are signals.
pub(crate) struct Wishes {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Wishes {
    /// Begins to listen.
    pub(crate) fn listen(wish: Wish) -> Self {
        #[cfg(not(unix))]
        let _ = wish;
        Self {
            #[cfg(unix)]
            signals: {
                use tokio::signal::unix::{SignalKind, signal};
                signal(match wish {
                    Wish::Reload => SignalKind::hangup(),
                    Wish::Flush => SignalKind::user_defined1(),
                })
                .ok()
            },
        }
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
