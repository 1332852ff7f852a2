//! The client of one server, over one transport.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringway::tonic::Connector;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;

use super::super::Failure;
use super::super::meter::{Percentiles, processor_time, waited};
use super::report::Part;
use super::server::Serving;
use super::service::Client;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with its server.
pub(super) struct Caller {
    client: Client,
    runtime: Runtime,
    serving: Serving,
}

impl Caller {
    /// Starts a server at `target` on processor `cpu`, and connects.
    pub(super) fn new(target: &str, cpu: usize) -> Result<Self, Failure> {
        let serving = Serving::start(target, cpu)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connector = Connector::parse(target).map_err(|error| error.to_string())?;
        let client = runtime.block_on(async {
            let channel =
                Endpoint::from_static("http://bench").connect_with_connector_lazy(connector);
            let mut client = Client::new(channel);
            let began = Instant::now();
            loop {
                match client.call(Bytes::from_static(b"there?")).await {
                    Ok(answer) if answer == "there?" => return Ok(client),
                    Ok(_) => return Err("an answer is not what was asked".to_owned()),
                    Err(error) if began.elapsed() > PATIENCE => return Err(error.to_string()),
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
        })?;
        Ok(Self {
            client,
            runtime,
            serving,
        })
    }

    /// How many calls there are in a part that takes about `time`.
    pub(super) fn calls_within(
        &mut self,
        time: Duration,
        size: usize,
        at_once: usize,
    ) -> Result<usize, Failure> {
        let part = self.part(10 * at_once, size, at_once)?;
        let part = self.part(part.calls_within(time / 6) + at_once, size, at_once)?;
        Ok(part.calls_within(time) + at_once)
    }

    /// Makes so many calls, so many of them at a time. Every answer is compared with its question.
    pub(super) fn part(
        &mut self,
        calls: usize,
        size: usize,
        at_once: usize,
    ) -> Result<Part, Failure> {
        let Self {
            client,
            runtime,
            serving,
        } = self;
        let cpu = || -> Result<_, Failure> { Ok(processor_time() + serving.cpu()?) };
        let waits = || waited(std::process::id()) + serving.waited();
        let (before, waited_before, began) = (cpu()?, waits(), Instant::now());
        let calls = make(client, calls, size, at_once);
        let made = runtime.block_on(async { timeout(PATIENCE, calls).await });
        let (wall, used) = (began.elapsed(), cpu()?.saturating_sub(before));
        let waited = waits().saturating_sub(waited_before);
        let mut times = made.map_err(|_| "the calls take too long")??;
        let count = f64::from(u32::try_from(times.len())?);
        let percentiles = Percentiles::of(&mut times).ok_or("no call was made")?;
        Ok(Part {
            p50: percentiles.p50 / 1e3,
            p99: percentiles.p99 / 1e3,
            per_second: count / wall.as_secs_f64(),
            cpu: used.as_secs_f64() * 1e6 / count,
            waited: waited.as_secs_f64() / wall.as_secs_f64(),
        })
    }
}

/// How long each call took, in nanoseconds.
async fn make(
    client: &Client,
    calls: usize,
    size: usize,
    at_once: usize,
) -> Result<Vec<u64>, Failure> {
    let left = Arc::new(Mutex::new(calls));
    let tasks: Vec<_> = (0..at_once)
        .map(|seed| {
            let (mut client, left) = (client.clone(), Arc::clone(&left));
            let question = Bytes::from(vec![seed as u8; size]);
            tokio::spawn(async move {
                let mut times = Vec::new();
                while take(&left) {
                    let began = Instant::now();
                    let answer = client.call(question.clone()).await;
                    times.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
                    if answer.map_err(|status| status.to_string())? != question {
                        return Err("an answer is not what was asked".to_owned());
                    }
                }
                Ok(times)
            })
        })
        .collect();
    let mut all = Vec::with_capacity(calls);
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}

/// One of them is taken, if any is left.
fn take(left: &Mutex<usize>) -> bool {
    let mut left = left.lock().expect("nobody panics with it");
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}
