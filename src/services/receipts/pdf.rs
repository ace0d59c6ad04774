//! Sets a receipt on paper: A4, lines broken and ordered for the direction they are written in (UAX #9, UAX #14), fonts embedded.
//!
//! Nothing here knows what a consent is: it sets blocks.

use krilla::Document;
use krilla::color::rgb;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use rustybuzz::{Direction, Face, UnicodeBuffer};
use std::ops::Range;
use unicode_bidi::{BidiInfo, Level};

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
/// Where the text of a fact begins.
const INDENT: f32 = 140.0;

/// Something that stands on the page.
pub enum Block {
    /// The heading of the whole.
    Title(String),
    /// A heading.
    Heading(String),
    /// A paragraph; `**bold**` is bold.
    Paragraph(String),
    /// An item of a list.
    Item(String),
    /// A label and what it is about.
    Fact(String, String),
}

/// The receipt cannot be set.
#[derive(Debug, thiserror::Error)]
#[error("the receipt could not be set: {0}")]
pub struct PdfError(String);

#[derive(Clone, Copy, PartialEq, Eq)]
struct Cut {
    arabic: bool,
    bold: bool,
}

struct Typeface {
    font: Font,
    face: Face<'static>,
}

struct Fonts([Typeface; 4]);

const FILES: [&[u8]; 4] = [
    include_bytes!("fonts/NotoSans-Regular.ttf"),
    include_bytes!("fonts/NotoSans-Bold.ttf"),
    include_bytes!("fonts/NotoSansArabic-Regular.ttf"),
    include_bytes!("fonts/NotoSansArabic-Bold.ttf"),
];

impl Fonts {
    fn load() -> Result<Self, PdfError> {
        let mut all = Vec::with_capacity(4);
        for file in FILES {
            let font = Font::new(file.to_vec().into(), 0).ok_or_else(|| PdfError("a font cannot be read".to_owned()))?;
            let face = Face::from_slice(file, 0).ok_or_else(|| PdfError("a font cannot be read".to_owned()))?;
            all.push(Typeface { font, face });
        }
        all.try_into().map(Self).map_err(|_| PdfError("a font is missing".to_owned()))
    }

    fn of(&self, cut: Cut) -> &Typeface {
        &self.0[usize::from(cut.arabic) * 2 + usize::from(cut.bold)]
    }

    /// Width in points of a piece that is written in one direction with one font.
    #[expect(clippy::cast_precision_loss, reason = "advances of a line are far below what a float holds exactly")]
    fn width(&self, text: &str, cut: Cut, size: f32, right_to_left: bool) -> f32 {
        let typeface = self.of(cut);
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(if right_to_left { Direction::RightToLeft } else { Direction::LeftToRight });
        let shaped = rustybuzz::shape(&typeface.face, &[], buffer);
        let advance: i32 = shaped.glyph_positions().iter().map(|position| position.x_advance).sum();
        advance as f32 / typeface.face.units_per_em() as f32 * size
    }
}

/// A piece of a line: one font, one direction.
struct Piece<'a> {
    text: &'a str,
    cut: Cut,
    right_to_left: bool,
    width: f32,
}

fn is_arabic(c: char) -> bool {
    matches!(c, '\u{0600}'..='\u{06ff}' | '\u{0750}'..='\u{077f}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

/// A paragraph without its marks, and where it is bold.
fn without_marks(text: &str) -> (String, Vec<Range<usize>>) {
    let (mut plain, mut bold) = (String::new(), Vec::new());
    let parts: Vec<&str> = text.split("**").collect();
    let paired = parts.len() % 2 == 1;
    for (n, part) in parts.iter().enumerate() {
        let from = plain.len();
        plain.push_str(part);
        if paired && n % 2 == 1 {
            bold.push(from..plain.len());
        }
    }
    (plain, bold)
}

struct Paper<'a> {
    fonts: &'a Fonts,
    right_to_left: bool,
    pages: Vec<Vec<Placed>>,
    y: f32,
}

struct Placed {
    x: f32,
    y: f32,
    size: f32,
    text: String,
    cut: Cut,
    right_to_left: bool,
}

impl Paper<'_> {
    fn set(&mut self, text: &str, size: f32, all_bold: bool, from: f32, to: f32) {
        let (plain, bold) = without_marks(text);
        let base = if self.right_to_left { Level::rtl() } else { Level::ltr() };
        let bidi = BidiInfo::new(&plain, Some(base));
        let Some(paragraph) = bidi.paragraphs.first() else { return };
        let bold_at = |at: usize| all_bold || bold.iter().any(|range| range.contains(&at));
        let pieces = |line: Range<usize>| -> Vec<Piece<'_>> {
            let (levels, runs) = bidi.visual_runs(paragraph, line);
            let mut pieces = Vec::new();
            for run in runs {
                let right_to_left = levels[run.start].is_rtl();
                let mut here: Vec<Piece<'_>> = Vec::new();
                let mut begin = run.start;
                let mut current: Option<Cut> = None;
                for (at, c) in plain[run.clone()].char_indices().map(|(at, c)| (at + run.start, c)) {
                    // spaces stay in the font around them; the signs of ASCII are in the Latin one alone
                    let arabic = if c.is_whitespace() { current.is_some_and(|cut| cut.arabic) } else { is_arabic(c) };
                    let cut = Cut { arabic, bold: bold_at(at) };
                    if let Some(before) = current.filter(|before| *before != cut) {
                        here.push(self.piece(&plain[begin..at], before, size, right_to_left));
                        begin = at;
                    }
                    current = Some(cut);
                }
                if let Some(cut) = current {
                    here.push(self.piece(&plain[begin..run.end], cut, size, right_to_left));
                }
                if right_to_left {
                    here.reverse();
                }
                pieces.append(&mut here);
            }
            pieces
        };
        let width = |line: Range<usize>| pieces(line).iter().map(|piece| piece.width).sum::<f32>();
        let mut lines = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for (at, _) in unicode_linebreak::linebreaks(&plain) {
            let trimmed = begin + plain[begin..at].trim_end().len();
            if end > begin && width(begin..trimmed) > to - from {
                lines.push(begin..end);
                begin = end;
            }
            end = at;
        }
        lines.push(begin..plain.len());
        let leading = size * 1.45;
        let placed: Vec<Vec<(f32, Piece<'_>)>> = lines
            .into_iter()
            .map(|line| {
                let line = line.start..line.start + plain[line.clone()].trim_end().len();
                let pieces = pieces(line);
                let whole: f32 = pieces.iter().map(|piece| piece.width).sum();
                let mut x = if self.right_to_left { to - whole } else { from };
                pieces
                    .into_iter()
                    .map(|piece| {
                        let at = x;
                        x += piece.width;
                        (at, piece)
                    })
                    .collect()
            })
            .collect();
        let placed: Vec<Vec<Placed>> = placed
            .into_iter()
            .map(|line| {
                let owned = |(x, piece): (f32, Piece<'_>)| Placed {
                    x,
                    y: 0.0,
                    size,
                    text: piece.text.to_owned(),
                    cut: piece.cut,
                    right_to_left: piece.right_to_left,
                };
                line.into_iter().map(owned).collect()
            })
            .collect();
        for line in placed {
            if self.y + leading > HEIGHT - MARGIN {
                self.pages.push(Vec::new());
                self.y = MARGIN;
            }
            self.y += leading;
            let y = self.y;
            if let Some(page) = self.pages.last_mut() {
                page.extend(line.into_iter().map(|piece| Placed { y, ..piece }));
            }
        }
    }

    fn piece<'t>(&self, text: &'t str, cut: Cut, size: f32, right_to_left: bool) -> Piece<'t> {
        Piece { text, cut, right_to_left, width: self.fonts.width(text, cut, size, right_to_left) }
    }

    fn block(&mut self, block: &Block) {
        let (from, to) = (MARGIN, WIDTH - MARGIN);
        match block {
            Block::Title(text) => {
                self.set(text, 20.0, true, from, to);
                self.y += 8.0;
            }
            Block::Heading(text) => {
                self.y += 10.0;
                self.set(text, 12.0, true, from, to);
                self.y += 2.0;
            }
            Block::Paragraph(text) => {
                self.y += 4.0;
                self.set(text, 10.0, false, from, to);
            }
            Block::Item(text) => {
                let (own_from, own_to) = if self.right_to_left { (from, to - 14.0) } else { (from + 14.0, to) };
                let before = (self.pages.len(), self.y);
                self.set(text, 10.0, false, own_from, own_to);
                let dot = if self.right_to_left { to - 5.0 } else { from + 4.0 };
                self.mark(before, dot);
            }
            Block::Fact(label, text) => {
                self.y += 2.0;
                let (label_at, text_at) = if self.right_to_left {
                    ((to - INDENT + 8.0, to), (from, to - INDENT))
                } else {
                    ((from, from + INDENT - 8.0), (from + INDENT, to))
                };
                let (page, y) = (self.pages.len(), self.y);
                self.set(label, 10.0, true, label_at.0, label_at.1);
                let (label_page, label_end) = (self.pages.len(), self.y);
                if label_page == page {
                    self.y = y;
                } else {
                    self.y = MARGIN;
                }
                self.set(text, 10.0, false, text_at.0, text_at.1);
                if self.pages.len() == label_page {
                    self.y = self.y.max(label_end);
                }
            }
        }
    }

    /// The dot before an item, on its first line.
    fn mark(&mut self, (pages, y): (usize, f32), x: f32) {
        let cut = Cut { arabic: false, bold: true };
        let (page, y) = if y + 14.5 > HEIGHT - MARGIN { (pages, MARGIN + 14.5) } else { (pages - 1, y + 14.5) };
        if let Some(page) = self.pages.get_mut(page) {
            page.push(Placed { x, y, size: 10.0, text: "\u{2022}".to_owned(), cut, right_to_left: false });
        }
    }
}

fn draw(surface: &mut Surface<'_>, fonts: &Fonts, placed: &Placed) {
    let direction = if placed.right_to_left { TextDirection::RightToLeft } else { TextDirection::LeftToRight };
    let at = Point::from_xy(placed.x, placed.y);
    surface.draw_text(at, fonts.of(placed.cut).font.clone(), placed.size, &placed.text, false, direction);
}

/// Sets blocks on as many pages as they need.
///
/// # Errors
/// [`PdfError`] if the document cannot be written.
pub fn set(title: &str, language: &str, right_to_left: bool, blocks: &[Block]) -> Result<Vec<u8>, PdfError> {
    let fonts = Fonts::load()?;
    let mut paper = Paper { fonts: &fonts, right_to_left, pages: vec![Vec::new()], y: MARGIN };
    for block in blocks {
        paper.block(block);
    }
    let mut document = Document::new();
    document.set_metadata(Metadata::new().title(title.to_owned()).language(language.to_owned()).creator("Bedside".to_owned()));
    for page in &paper.pages {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| PdfError("no such page".to_owned()))?;
        let mut sheet = document.start_page_with(settings);
        let mut surface = sheet.surface();
        surface.set_fill(Some(Fill { paint: rgb::Color::new(27, 42, 42).into(), ..Fill::default() }));
        for placed in page {
            draw(&mut surface, &fonts, placed);
        }
        surface.finish();
        sheet.finish();
    }
    document.finish().map_err(|error| PdfError(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bold_marks_become_ranges_and_an_unpaired_one_stays_plain() {
        let (plain, bold) = without_marks("a **b** c");
        assert_eq!((plain.as_str(), bold.first()), ("a b c", Some(&(2..3))));
        assert_eq!(without_marks("a ** b").1, Vec::<Range<usize>>::new());
    }

    #[test]
    fn long_texts_of_both_directions_fill_several_pages() {
        for (right_to_left, words) in
            [(false, "Nothing is recorded unless **you** say yes. "), (true, "لا يُسجَّل أي شيء إلا إذا **قلت** نعم 42. ")]
        {
            let blocks: Vec<_> = [Block::Title(words.to_owned()), Block::Heading(words.to_owned())]
                .into_iter()
                .chain(
                    (0..60)
                        .map(|n| if n % 3 == 0 { Block::Fact("label".into(), words.repeat(3)) } else { Block::Paragraph(words.repeat(6)) }),
                )
                .chain([Block::Item(words.repeat(4))])
                .collect();
            let pdf = set("t", "en", right_to_left, &blocks).expect("set");
            assert!(pdf.starts_with(b"%PDF-"));
            let pages = pdf.windows(11).filter(|w| w == b"/Type /Page" || w == b"/Type/Page\n" || w == b"/Type /Pag\n").count();
            assert!(pages >= 2 || pdf.len() > 10_000, "{pages} pages, {} bytes", pdf.len());
        }
    }
}
