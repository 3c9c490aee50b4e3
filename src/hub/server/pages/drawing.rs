//! Discs, as pictures: how much of one is written, from the inside to the edge, as drives write.

use maud::{Markup, html};

/// Radii of the drawing: the edge, and where the data begins.
const EDGE: f64 = 46.0;
const FIRST: f64 = 18.0;

/// A disc of which so many percent are written; `class` gives its colour. Decoration: what it shows
/// is also written beside it.
pub fn disc(percent: u64, class: &str) -> Markup {
    html! {
        svg.disc.(class) viewBox="0 0 100 100" aria-hidden="true" focusable="false" {
            circle.plate cx="50" cy="50" r=(EDGE) {}
            circle.data cx="50" cy="50" r=(radius(percent)) {}
            circle.inner cx="50" cy="50" r=(FIRST) {}
            circle.hole cx="50" cy="50" r="7" {}
        }
    }
}

/// As much of the area between the inner ring and the edge as is written.
fn radius(percent: u64) -> String {
    let part = percent.min(100) as f64 / 100.0;
    let (first, edge) = (FIRST * FIRST, EDGE * EDGE);
    format!("{:.1}", (first + part * (edge - first)).sqrt())
}

/// The sign before the name.
pub fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
            circle.plate cx="12" cy="12" r="10" {}
            circle.hole cx="12" cy="12" r="3" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawn_area_is_the_part_that_is_written() {
        assert_eq!([radius(0), radius(100), radius(200)], ["18.0", "46.0", "46.0"]);
        assert_eq!(radius(50), "34.9");
    }
}
