//! Line charts on logarithmic axes, as SVG.
//!
//! Written here and not by a crate: what is needed is two axes, some lines and a legend, which is less text than a plotting crate's setup, and it
//! keeps fonts, bitmaps and colour spaces out of a command that moves bytes.

use std::fmt::Write;

/// What the numbers of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Bytes,
    Nanoseconds,
    Count,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Both coordinates above zero; any other point is a gap in the line.
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) dashed: bool,
    /// Lines of one colour belong together.
    pub(crate) colour: usize,
}

/// One chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: (Axis, &'static str),
    pub(crate) y: (Axis, &'static str),
    pub(crate) series: Vec<Series>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
/// Left, top, right and bottom of what the axes enclose.
const INSIDE: [f64; 4] = [90.0, 50.0, 620.0, 380.0];
/// Told apart by people who do not see all colours too (Okabe and Ito).
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
];

/// The charts, one below the other, as the text of a file.
pub(crate) fn page(charts: &[Chart], note: &str) -> String {
    let mut svg = String::new();
    let height = HEIGHT * count(charts.len()) + 30.0;
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (number, chart) in charts.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<g transform=\"translate(0 {})\">",
            HEIGHT * count(number)
        );
        chart.draw(&mut svg);
        svg.push_str("</g>\n");
    }
    let _ = writeln!(
        svg,
        "<text x=\"20\" y=\"{}\" fill=\"#555\">{}</text>\n</svg>",
        height - 12.0,
        escaped(note)
    );
    svg
}

#[expect(clippy::cast_precision_loss, reason = "a few charts and lines")]
fn count(number: usize) -> f64 {
    number as f64
}

impl Chart {
    fn draw(&self, svg: &mut String) {
        let [left, top, right, bottom] = INSIDE;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Scale::new(self.x.0, points().map(|point| point.0), (left, right));
        let y = Scale::new(self.y.0, points().map(|point| point.1), (bottom, top));
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"28\" font-size=\"15\">{}</text>",
            escaped(&self.title)
        );
        for (place, label) in x.ticks() {
            let _ = writeln!(
                svg,
                "<line x1=\"{place:.1}\" y1=\"{top}\" x2=\"{place:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
                 <text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                bottom + 18.0
            );
        }
        for (place, label) in y.ticks() {
            let _ = writeln!(
                svg,
                "<line x1=\"{left}\" y1=\"{place:.1}\" x2=\"{right}\" y2=\"{place:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                left - 8.0,
                place + 4.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            f64::midpoint(left, right),
            bottom + 40.0,
            escaped(self.x.1),
            left - 8.0,
            top - 12.0,
            escaped(self.y.1),
        );
        for (number, series) in self.series.iter().enumerate() {
            let colour = COLOURS[series.colour % COLOURS.len()];
            let dash = if series.dashed {
                " stroke-dasharray=\"6 4\""
            } else {
                ""
            };
            let mut line = String::new();
            let mut pen = "M";
            for point in &series.points {
                if drawable(*point) {
                    let (x, y) = (x.place(point.0), y.place(point.1));
                    let _ = write!(line, "{pen}{x:.1} {y:.1}");
                    if pen == "M" {
                        // A point without neighbours is a dot.
                        line.push_str("h0");
                    }
                    pen = "L";
                } else {
                    pen = "M";
                }
            }
            let _ = writeln!(
                svg,
                "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linecap=\"round\"{dash} d=\"{line}\"/>"
            );
            let place = top + 14.0 + 20.0 * count(number);
            let _ = writeln!(
                svg,
                "<line x1=\"{}\" y1=\"{place}\" x2=\"{}\" y2=\"{place}\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                right + 16.0,
                right + 46.0,
                right + 54.0,
                place + 4.0,
                escaped(&series.name)
            );
        }
    }
}

fn drawable(point: (f64, f64)) -> bool {
    [point.0, point.1]
        .iter()
        .all(|value| value.is_finite() && *value > 0.0)
}

/// From values to places, by their logarithms.
#[derive(Clone, Copy, Debug)]
struct Scale {
    axis: Axis,
    /// Exponents of the base at both ends: whole numbers.
    exponents: (i32, i32),
    places: (f64, f64),
}

impl Scale {
    fn new(axis: Axis, values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            least = least.min(value);
            most = most.max(value);
        }
        if least > most {
            (least, most) = (1.0, 10.0);
        }
        let exponent = |value: f64| value.log(base(axis));
        // A little inside a whole number is that number: 4^3 is not 4^2.9999.
        let low = (exponent(least) + 1e-9).floor() as i32;
        let high = ((exponent(most) - 1e-9).ceil() as i32).max(low + 1);
        Self {
            axis,
            exponents: (low, high),
            places,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.exponents.0), f64::from(self.exponents.1));
        let part = (value.log(base(self.axis)) - low) / (high - low);
        self.places.0 + part * (self.places.1 - self.places.0)
    }

    /// A line for each power of the base, at most some 13.
    fn ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = self.exponents;
        let step = usize::try_from((high - low) / 13 + 1).unwrap_or(1);
        (low..=high)
            .step_by(step)
            .map(|exponent| {
                let value = base(self.axis).powi(exponent);
                (self.place(value), label(self.axis, value))
            })
            .collect()
    }
}

fn base(axis: Axis) -> f64 {
    match axis {
        Axis::Bytes => 4.0,
        Axis::Nanoseconds | Axis::Count => 10.0,
    }
}

/// A value in the largest unit of which there is at least one.
pub(crate) fn label(axis: Axis, value: f64) -> String {
    let units: &[(f64, &str)] = match axis {
        Axis::Bytes => &[(1_048_576.0, " MiB"), (1024.0, " KiB"), (0.0, " B")],
        Axis::Nanoseconds => &[(1e9, " s"), (1e6, " ms"), (1e3, " us"), (0.0, " ns")],
        Axis::Count => &[(1e6, " M"), (1e3, " k"), (0.0, "")],
    };
    let near = value * (1.0 + 1e-9);
    let (size, name) = units
        .iter()
        .find(|(size, _)| near >= *size)
        .unwrap_or(&(1.0, ""));
    let number = value / if *size > 0.0 { *size } else { 1.0 };
    let digits = usize::from(number < 10.0 && (number - number.round()).abs() > 0.01);
    format!("{number:.digits$}{name}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_lie_at_equal_distances() {
        let scale = Scale::new(Axis::Bytes, [1.0, 16_777_216.0].into_iter(), (0.0, 120.0));
        assert_eq!(scale.exponents, (0, 12));
        for (power, wanted) in [(0, 0.0), (6, 60.0), (12, 120.0)] {
            assert!((scale.place(4f64.powi(power)) - wanted).abs() < 1e-6);
        }
        assert_eq!(scale.ticks().len(), 13);
    }

    #[test]
    fn a_page_has_every_line_and_no_number_that_is_none() {
        let series = |name: &str, points: Vec<(f64, f64)>| Series {
            name: name.to_owned(),
            points,
            dashed: false,
            colour: 0,
        };
        let chart = Chart {
            title: "a < b & c".to_owned(),
            x: (Axis::Bytes, "bytes"),
            y: (Axis::Nanoseconds, "time"),
            series: vec![
                series(
                    "one",
                    vec![(1.0, 100.0), (4.0, 200.0), (16.0, f64::NAN), (64.0, 0.0)],
                ),
                series("none", vec![]),
            ],
        };
        let svg = page(&[chart], "noted");
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("noted"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn values_are_shown_in_a_unit_that_fits() {
        for (axis, value, shown) in [
            (Axis::Bytes, 1.0, "1 B"),
            (Axis::Bytes, 65536.0, "64 KiB"),
            (Axis::Bytes, 16_777_216.0, "16 MiB"),
            (Axis::Nanoseconds, 1e3, "1 us"),
            (Axis::Nanoseconds, 1234.0, "1.2 us"),
            (Axis::Count, 10.0, "10"),
        ] {
            assert_eq!(label(axis, value), shown);
        }
    }
}
