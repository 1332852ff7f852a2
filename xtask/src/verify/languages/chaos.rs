//! Cases whose sides are tormented by `ringway chaos`: how they are run, and whether what came of it is what may come.

use super::cases::SIDES;

/// Runs both sides of a case under the command, and prints what each side said and counted, and what was done to it.
pub(super) const PAIR: &str = r#"
torment() {
    "$ringway" chaos --json --output "$2.$1.report" --from met --seed $seed $3 -- "$4" "$5" "$case" "$2" >"$2.$1" 2>&1
}
ringway=$1 seed=$2 case=$3 address=$4
torment serve "$address" "$5" "$6" SERVE & serve=$!
torment connect "$address" "$7" "$8" CONNECT & connect=$!
wait $serve; serve=$?
wait $connect; connect=$?
for side in serve connect; do
    sed "s/^/$side /" "$address.$side"
    echo "counts $side" $(cat "$address.$side.counts")
    sed "s/^/chaos $side /" "$address.$side.report"
done
echo "ended serve $serve"
echo "ended connect $connect"
for path in "$address" "$address.first"; do
    if [ -e "$path" ]; then echo "left $path"; fi
done
"#;

/// What is done to who is killed, sooner or later: on the average it is stopped once before.
const DOOMED: &str = "--faults stop,kill --mean 0.15 --stop-for 1-1.2";
/// The other one is stopped too.
const SURVIVOR: &str = "--faults stop --mean 0.3 --stop-for 0.05-0.5";

pub(super) fn faults(dies: bool) -> &'static str {
    if dies { DOOMED } else { SURVIVOR }
}

/// What happened in all cases together.
#[derive(Debug, Default)]
pub(super) struct Sum {
    kills: u64,
    stops: u64,
    /// Of a second or more.
    long: u64,
    frames: u64,
}

/// What one side counted.
#[derive(Clone, Copy, Default)]
struct Counts {
    tried: u64,
    sent: u64,
    taken: u64,
}

impl Counts {
    fn of(printed: &str, side: &str) -> Result<Self, String> {
        let words = told(printed, "counts", side).next().unwrap_or_default();
        let numbers: Result<Vec<u64>, _> = words.split_whitespace().map(str::parse).collect();
        match numbers.as_deref() {
            Ok([tried, sent, taken]) => Ok(Self {
                tried: *tried,
                sent: *sent,
                taken: *taken,
            }),
            _ => Err(format!("the side `{side}` has counted {words:?}")),
        }
    }
}

/// The lines of a kind about a side.
fn told<'a>(printed: &'a str, what: &str, side: &str) -> impl Iterator<Item = &'a str> {
    let prefix = format!("{what} {side} ");
    let lines = printed.lines();
    lines.filter_map(move |line| line.strip_prefix(prefix.as_str()))
}

/// Adds up what a pair went through, and checks it: who `dies` was killed by the torment, and neither ended before; whatever is said to be sent was taken, and nothing else.
pub(super) fn judge(printed: &str, dies: [bool; 2], sum: &mut Sum) -> Result<(), String> {
    for (side, dies) in SIDES.into_iter().zip(dies) {
        let verdict = if dies { "killed" } else { "ended" };
        let verdict = format!("\"verdict\":\"{verdict}\"");
        if !told(printed, "chaos", side).any(|line| line.contains(&verdict)) {
            return Err(format!("the torment of `{side}` has no {verdict}"));
        }
        for fault in
            told(printed, "chaos", side).filter(|line| line.contains("\"event\":\"fault\""))
        {
            if fault.contains("\"fault\":\"kill\"") {
                sum.kills += 1;
            } else {
                sum.stops += 1;
                sum.long += u64::from(lasts(fault) >= 1.0);
            }
        }
    }
    if let Some(path) = printed.lines().find_map(|line| line.strip_prefix("left ")) {
        return Err(format!("{path} is left"));
    }
    let counts = [
        Counts::of(printed, SIDES[0])?,
        Counts::of(printed, SIDES[1])?,
    ];
    for (from, to) in [(0, 1), (1, 0)] {
        let (sender, receiver) = (counts[from], counts[to]);
        sum.frames += receiver.taken;
        // Whoever is killed may have left frames unread.
        let least = if dies[to] { 0 } else { sender.sent };
        if !(least..=sender.tried).contains(&receiver.taken) {
            return Err(format!(
                "`{}` has sent {} frames, of {} that it tried to; `{}` has taken {}",
                SIDES[from], sender.sent, sender.tried, SIDES[to], receiver.taken
            ));
        }
    }
    Ok(())
}

fn lasts(fault: &str) -> f64 {
    let behind = fault.split_once("\"lasts_seconds\":").map(|(_, rest)| rest);
    let number = behind.and_then(|rest| rest.split([',', '}']).next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

impl Sum {
    /// What is told of them. A torment that did nothing has shown nothing.
    pub(super) fn note(&self, cells: u64) -> Result<String, String> {
        let Self {
            kills,
            stops,
            long,
            frames,
        } = self;
        let text = format!(
            "{kills} killed, {stops} stopped ({long} for more than a second), {frames} frames"
        );
        if *kills < cells || *stops < cells / 2 || 4 * *long < cells || *frames < 100 * cells {
            return Err(format!("too little happened in {cells} pairs: {text}"));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"serve PeerDied
counts serve 00000000000000000120 00000000000000000119 00000000000000000100
chaos serve {"event":"fault","fault":"stop","lasts_seconds":1.25,"run":1}
chaos serve {"event":"report","verdict":"ended"}
counts connect 00000000000000000101 00000000000000000100 00000000000000000090
chaos connect {"event":"fault","fault":"stop","lasts_seconds":0.5}
chaos connect {"event":"fault","fault":"kill","lasts_seconds":0.0}
chaos connect {"event":"report","verdict":"killed"}
"#;

    #[test]
    fn what_may_come_of_a_torment_is_added_up() {
        let mut sum = Sum::default();
        judge(PRINTED, [false, true], &mut sum).unwrap();
        let counted = (sum.kills, sum.stops, sum.long, sum.frames);
        assert_eq!(counted, (1, 2, 1, 190));
        assert!(sum.note(1).is_ok() && sum.note(2).is_err());
        sum.long = 0;
        assert!(sum.note(1).is_err());
    }

    #[test]
    fn what_may_not_come_is_found() {
        for (from, to) in [
            // One that was sent is lost; one is taken that nobody sent; the dead one has taken more than that.
            ("119 00000000000000000100", "119 00000000000000000099"),
            ("119 00000000000000000100", "119 00000000000000000102"),
            ("100 00000000000000000090", "100 00000000000000000121"),
            // Nobody was killed; the survivor was; one ended by itself.
            ("\"killed\"", "\"ended\""),
            ("\"ended\"", "\"killed\""),
            ("\"ended\"", "\"failed\""),
            ("counts serve", "counted serve"),
            ("serve PeerDied", "left /tmp/a"),
        ] {
            let printed = PRINTED.replacen(from, to, 1);
            assert_ne!(printed, PRINTED);
            let judged = judge(&printed, [false, true], &mut Sum::default());
            assert!(judged.is_err(), "{to}");
        }
    }
}
