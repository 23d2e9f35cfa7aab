//! Boxes, lines and texts, collected into a drawing of a known size.

use crate::report::markup::{self, element, empty};
use crate::report::printable::{one_line, width};

/// The colours and fonts of every drawing; standing alone it has no other style sheet.
pub(in crate::report) const STYLE: &str = include_str!("drawing.css");

/// A point.
pub(super) type Point = (i32, i32);

/// A drawing in the making.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    parts: Vec<String>,
    width: i32,
    height: i32,
}

/// A box with lines of text in it; the first line is its name.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    /// The style sheet's words for it.
    pub(super) class: String,
    /// Its upper left corner.
    pub(super) at: Point,
    /// Width and height.
    pub(super) size: (i32, i32),
    /// What it says.
    pub(super) lines: Vec<String>,
}

impl Canvas {
    /// Makes room up to a point.
    pub(super) fn reach(&mut self, (x, y): Point) {
        (self.width, self.height) = (self.width.max(x), self.height.max(y));
    }

    /// A box with its lines, centred from top to bottom; what is cut off is in its tool tip.
    pub(super) fn tile(&mut self, tile: &Tile) {
        let ((x, y), (width, height)) = (tile.at, tile.size);
        let mut inside = element("title", &[], &markup::text(&tile.lines.join(", ")));
        let [x_text, y_text, width_text, height_text] = [x, y, width, height].map(text_of);
        inside += &empty(
            "rect",
            &[
                ("x", &x_text),
                ("y", &y_text),
                ("width", &width_text),
                ("height", &height_text),
                ("rx", "6"),
            ],
        );
        let lines = i32::try_from(tile.lines.len()).unwrap_or(1);
        let mut baseline = y + (height - lines * LINE) / 2 + 13;
        for (at, line) in tile.lines.iter().enumerate() {
            let class = if at == 0 { "name" } else { "more" };
            inside += &text(class, "start", (x + PADDING, baseline), &short(line));
            baseline += LINE;
        }
        let class = format!("tile {}", tile.class);
        self.parts.push(element("g", &[("class", &class)], &inside));
        self.reach((x + width, y + height));
    }

    /// A text that begins at a point.
    pub(super) fn text(&mut self, class: &str, at: Point, words: &str) {
        self.parts.push(text(class, "start", at, &short(words)));
    }

    /// A line above everything else, never cut.
    pub(super) fn heading(&mut self, at: Point, words: &str) {
        self.parts.push(text("name", "start", at, words));
        self.reach((at.0 + bold_width(words), at.1));
    }

    /// A line with an arrow head at its end, given as the data of a path (SVG 2 §9.3).
    pub(super) fn arrow(&mut self, class: &str, data: &str, title: &str) {
        let head = if class.contains("bad") {
            "url(#head-bad)"
        } else {
            "url(#head)"
        };
        let class = format!("arrow {class}");
        let title = element("title", &[], &markup::text(title));
        let attributes = [("class", class.as_str()), ("d", data), ("marker-end", head)];
        self.parts.push(element("path", &attributes, &title));
    }

    /// A disc with a number in it.
    pub(super) fn badge(&mut self, class: &str, (x, y): Point, number: usize) {
        let class = format!("badge {class}");
        let [x_text, y_text] = [x, y].map(text_of);
        let mut inside = empty("circle", &[("cx", &x_text), ("cy", &y_text), ("r", "10")]);
        inside += &text("number", "middle", (x, y + 4), &number.to_string());
        self.parts.push(element("g", &[("class", &class)], &inside));
    }

    /// The drawing as a part of an HTML page, where it may shrink a little, but stays legible.
    pub(super) fn figure(&self, title: &str) -> String {
        let least = format!("min-width: {}px", (self.width + MARGIN) * 3 / 4);
        self.drawing(title, &[("style", &least)], "")
    }

    /// The drawing as a file.
    pub(super) fn file(&self, title: &str) -> String {
        let style = element("style", &[], STYLE);
        let namespace = [("xmlns", "http://www.w3.org/2000/svg")];
        self.drawing(title, &namespace, &style) + "\n"
    }

    fn drawing(&self, title: &str, more: &[(&str, &str)], style: &str) -> String {
        let (width, height) = (self.width + MARGIN, self.height + MARGIN);
        let [width_text, height_text] = [width, height].map(text_of);
        let view = format!("0 0 {width} {height}");
        let mut attributes = more.to_vec();
        attributes.extend([
            ("class", "drawing"),
            ("role", "img"),
            ("viewBox", view.as_str()),
            ("width", &width_text),
            ("height", &height_text),
        ]);
        let mut inside = element("title", &[], &markup::text(title));
        inside += style;
        inside += &element("defs", &[], &(head("head") + &head("head-bad")));
        let paper = [("class", "paper"), ("width", "100%"), ("height", "100%")];
        inside += &empty("rect", &paper);
        inside += &self.parts.join("\n");
        element("svg", &attributes, &inside)
    }
}

/// Room at the right and lower edge of a drawing.
pub(super) const MARGIN: i32 = 16;
/// Room at the left and right edge of a box.
const PADDING: i32 = 10;
/// From one line of text to the next.
pub(super) const LINE: i32 = 17;
/// Longer texts are cut.
const CHARACTERS_MAX: usize = 56;

/// About how wide a text is.
pub(super) fn text_width(text: &str) -> i32 {
    let columns = width(&short(text));
    i32::try_from(columns * 15 / 2).unwrap_or(i32::MAX)
}

/// About how wide a text in bold letters is.
fn bold_width(text: &str) -> i32 {
    i32::try_from(width(&one_line(text)) * 35 / 4).unwrap_or(i32::MAX)
}

/// About how wide a box must be for its lines, the first of which is bold.
pub(super) fn tile_width(lines: &[String]) -> i32 {
    let name = lines.first().map(|line| bold_width(&short(line)));
    let others = lines.iter().map(|line| text_width(line));
    let widest = others.chain(name).max();
    (widest.unwrap_or(0) + 2 * PADDING).max(96)
}

/// A text that is not too long to be drawn.
fn short(text: &str) -> String {
    let text = one_line(text);
    if text.chars().count() <= CHARACTERS_MAX {
        return text;
    }
    let start: String = text.chars().take(CHARACTERS_MAX - 1).collect();
    start + "…"
}

fn text(class: &str, anchor: &str, (x, y): Point, words: &str) -> String {
    let [x, y] = [x, y].map(text_of);
    let attributes = [
        ("class", class),
        ("x", x.as_str()),
        ("y", y.as_str()),
        ("text-anchor", anchor),
    ];
    element("text", &attributes, &markup::text(words))
}

fn head(id: &str) -> String {
    let tip = empty("path", &[("d", "M0 0L8 4L0 8z"), ("class", id)]);
    let attributes = [
        ("id", id),
        ("viewBox", "0 0 8 8"),
        ("refX", "7"),
        ("refY", "4"),
        ("markerWidth", "8"),
        ("markerHeight", "8"),
        ("markerUnits", "userSpaceOnUse"),
        ("orient", "auto"),
    ];
    element("marker", &attributes, &tip)
}

fn text_of(number: i32) -> String {
    number.to_string()
}
