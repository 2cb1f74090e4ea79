//! Random lives of a whole target. After each event the account adds up, and at the end it is that of the server.

use super::*;

/// What the scripted target has stored, and what it does not want.
#[derive(Default)]
struct Stored {
    good: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    /// Of ten requests, how many it may treat badly.
    mood: u64,
}

/// Whether the target does not want this point.
fn is_bad(number: &u64) -> bool {
    number % 17 == 3
}

impl Stored {
    fn answer(&mut self, sent: &Outgoing, dice: &mut fastrand::Rng) -> Reply {
        let thinks = Duration::from_millis(dice.u64(0..3000));
        let numbers = numbers(sent);
        let fault =
            || Err(Fault { reason: "timeout", message: "it hangs".to_owned(), may_have_arrived: true });
        let trick = if dice.u64(0..10) < self.mood { dice.u64(0..6) } else { 9 };
        let reply = match trick {
            0 => gone(),
            1 => fault(),
            2 => {
                self.good.extend(numbers.iter().filter(|number| !is_bad(number)));
                fault()
            }
            3 => status(503),
            4 => status(401),
            5 => Ok(Answer { status: 429, retry_after: Some("5".to_owned()), ..Answer::default() }),
            _ if numbers.iter().any(is_bad) => {
                if numbers.len() == 1 {
                    self.refused.extend(numbers);
                }
                status(400)
            }
            _ => {
                self.good.extend(numbers);
                status(204)
            }
        };
        (thinks, reply)
    }
}

async fn run_schedule(seed: u64) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let durability = Durability::ALL[dice.usize(0..3)];
    let spool = (durability != Durability::None).then(|| folder.path());
    let config = TargetConfig {
        durability,
        max_wait: SECOND * 5,
        max_in_flight: dice.usize(1..5),
        fresh_lane: dice.bool(),
        ..config("t")
    };
    let stored = Arc::new(Mutex::new(Stored { mood: dice.u64(0..10), ..Stored::default() }));
    let (script, rolls) = (Arc::clone(&stored), Mutex::new(fastrand::Rng::with_seed(seed)));
    let server = Server::new(move |sent| script.lock().unwrap().answer(sent, &mut rolls.lock().unwrap()));
    let mut running = Running::start(config.clone(), &server, spool, SECOND);
    let (mut made, mut collected) = (0, 0);
    let (mut before, mut again) = ((0, 0, 0), 0);
    for _ in 0..30 {
        match dice.u64(0..10) {
            0..5 => {
                let next = made + dice.u64(1..30);
                running.take(made..next);
                collected += next - made;
                made = next;
            }
            5..8 => pass(Duration::from_millis(dice.u64(1..20_000))).await,
            8 => drop(running.ask()),
            _ if spool.is_some() => {
                let figures = running.end().await;
                let account = &figures.account;
                assert_eq!(account.collected(), collected, "seed {seed}");
                before.0 += account.delivered();
                before.1 += account.rejected();
                before.2 += account.dropped();
                assert_eq!(figures.disk_points, account.queued(), "seed {seed}: all that waits is on disk");
                running = Running::start(config.clone(), &server, spool, SECOND);
                pass(Duration::from_millis(1)).await;
                // A batch of which a part was settled comes again as a whole.
                collected = running.figures().account.collected();
                assert!(collected >= account.queued(), "seed {seed}");
                again += collected - account.queued();
            }
            _ => stored.lock().unwrap().mood = dice.u64(0..10),
        }
        pass(Duration::from_millis(1)).await;
        assert_eq!(running.figures().account.collected(), collected, "seed {seed}");
    }
    stored.lock().unwrap().mood = 0;
    // In the end the target is well; how long it is left alone by then depends on chance.
    for _ in 0..500 {
        if running.figures().account.queued() == 0 {
            break;
        }
        pass(SECOND * 5).await;
    }
    let account = running.end().await.account;
    let sums = (before.0 + account.delivered(), before.1 + account.rejected(), before.2 + account.dropped());
    assert_eq!(sums.0 + sums.1, made + again, "seed {seed}: {sums:?}, {made} made, {again} again");
    let stored = stored.lock().unwrap();
    let (bad, good): (BTreeSet<u64>, BTreeSet<u64>) = (0..made).partition(is_bad);
    assert_eq!((&stored.good, &stored.refused), (&good, &bad), "seed {seed}");
    assert!(
        sums.0 >= good.len() as u64 && sums.1 >= bad.len() as u64 && sums.2 == 0,
        "seed {seed}: {sums:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_account_is_that_of_the_server_through_random_lives() {
    for seed in 0..200 {
        run_schedule(seed).await;
    }
}
