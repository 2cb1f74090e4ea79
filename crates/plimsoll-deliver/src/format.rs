//! What a body is written in, and how it is compressed: everything about a batch that its queue and its target have to know to
//! cut it in two, to take points out of it, and to say it in an older dialect.
//!
//! ```
//! use plimsoll_deliver::format::{Coding, Content, Format};
//! use plimsoll_wire::line_protocol::Precision;
//!
//! let format = Format { content: Content::Lines(Precision::Seconds), coding: Coding::Gzip };
//! assert_eq!(format.name(), "lines-s+gzip");
//! assert_eq!(Format::by_name("lines-s+gzip"), Some(format));
//! let body = format.coding.compress(b"m f=1 5\nm f=2 6\n");
//! let half = format.retain(&body, &mut |index, _| index == 0)?;
//! assert_eq!(format.coding.decompress(&half.body)?, b"m f=1 5\n");
//! # Ok::<(), plimsoll_wire::point::Broken>(())
//! ```

use std::io::{Read as _, Write as _};

use flate2::Compression as Level;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use plimsoll_wire::line_protocol::{self, Precision};
use plimsoll_wire::point::{Broken, Retained};
use plimsoll_wire::remote_write::{self, Version};
use plimsoll_wire::{json_lines, otlp};

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// InfluxDB's line protocol.
    Lines(Precision),
    /// One JSON object a line.
    Json,
    /// Prometheus remote write.
    RemoteWrite(Version),
    /// OpenTelemetry's protobuf.
    Otlp,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// snappy, as one block.
    Snappy,
}

/// What a body is written in, and how it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What it is written in.
    pub content: Content,
    /// How it is compressed.
    pub coding: Coding,
}

/// The most that a body may have after decompression: a batch is far below.
const MAX_RAW: usize = 64 * 1024 * 1024;

/// zstd's level: more costs much and gives little for numbers.
const ZSTD_LEVEL: i32 = 1;

const CONTENTS: &[(Content, &str)] = &[
    (Content::Lines(Precision::Nanoseconds), "lines-ns"),
    (Content::Lines(Precision::Microseconds), "lines-us"),
    (Content::Lines(Precision::Milliseconds), "lines-ms"),
    (Content::Lines(Precision::Seconds), "lines-s"),
    (Content::Json, "json"),
    (Content::RemoteWrite(Version::V1), "remote-write-1"),
    (Content::RemoteWrite(Version::V2), "remote-write-2"),
    (Content::Otlp, "otlp"),
];

const CODINGS: &[(Coding, &str)] =
    &[(Coding::None, "none"), (Coding::Gzip, "gzip"), (Coding::Zstd, "zstd"), (Coding::Snappy, "snappy")];

impl Format {
    /// The name in the spool.
    #[must_use]
    pub fn name(self) -> String {
        let content =
            CONTENTS.iter().find(|(content, _)| *content == self.content).map_or("", |(_, name)| name);
        format!("{content}+{}", self.coding.name())
    }

    /// The format with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let (content, coding) = name.split_once('+')?;
        let (content, _) = *CONTENTS.iter().find(|(_, name)| *name == content)?;
        let (coding, _) = *CODINGS.iter().find(|(_, name)| *name == coding)?;
        Some(Self { content, coding })
    }

    /// The body with those points alone that `keep` wants, of which it learns the position and the time in Unix nanoseconds.
    ///
    /// # Errors
    /// If the body is not in this format.
    pub fn retain(self, body: &[u8], keep: &mut dyn FnMut(u64, i64) -> bool) -> Result<Retained, Broken> {
        let raw = self.coding.decompress(body)?;
        let mut retained = match self.content {
            Content::Lines(precision) => line_protocol::retain(&raw, precision, keep),
            Content::Json => json_lines::retain(&raw, keep),
            Content::RemoteWrite(version) => remote_write::retain(version, &raw, keep),
            Content::Otlp => otlp::retain(&raw, keep),
        }?;
        retained.body = self.coding.compress(&retained.body);
        Ok(retained)
    }

    /// The same batch in remote write 1.0, for a target that does not understand 2.0.
    ///
    /// # Errors
    /// If the body is not in this format.
    pub fn in_version_1(self, body: &[u8]) -> Result<(Self, Vec<u8>), Broken> {
        if self.content != Content::RemoteWrite(Version::V2) {
            return Ok((self, body.to_vec()));
        }
        let converted = remote_write::v2_to_v1(&self.coding.decompress(body)?)?;
        let format = Self { content: Content::RemoteWrite(Version::V1), coding: self.coding };
        Ok((format, self.coding.compress(&converted)))
    }

    /// The same body, compressed in another way.
    ///
    /// # Errors
    /// If the body is not in this format.
    pub fn in_coding(self, coding: Coding, body: Vec<u8>) -> Result<(Self, Vec<u8>), Broken> {
        if self.coding == coding {
            return Ok((self, body));
        }
        let body = coding.compress(&self.coding.decompress(&body)?);
        Ok((Self { coding, ..self }, body))
    }
}

impl Coding {
    /// The name in `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        CODINGS.iter().find(|(coding, _)| *coding == self).map_or("", |(_, name)| name)
    }

    /// The compressed body.
    #[must_use]
    pub fn compress(self, raw: &[u8]) -> Vec<u8> {
        let mut body = match self {
            Self::None => raw.to_vec(),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(raw.len() / 4), Level::fast());
                // Writing to memory cannot fail.
                let _ = encoder.write_all(raw);
                encoder.finish().unwrap_or_default()
            }
            Self::Zstd => zstd::bulk::compress(raw, ZSTD_LEVEL).unwrap_or_default(),
            Self::Snappy => remote_write::compress(raw).unwrap_or_default(),
        };
        // Compressors ask for room for the worst case, and a batch may wait long.
        body.shrink_to_fit();
        body
    }

    /// What was compressed.
    ///
    /// # Errors
    /// If it was not, or is larger than any batch.
    pub fn decompress(self, body: &[u8]) -> Result<Vec<u8>, Broken> {
        match self {
            Self::None => Ok(body.to_vec()),
            Self::Gzip => read_all(GzDecoder::new(body), body.len()),
            Self::Zstd => read_all(zstd::Decoder::new(body).map_err(|_| Broken)?, body.len()),
            Self::Snappy => remote_write::decompress(body),
        }
    }
}

fn read_all(decoder: impl std::io::Read, compressed: usize) -> Result<Vec<u8>, Broken> {
    let mut raw = Vec::with_capacity(compressed.saturating_mul(4).min(MAX_RAW));
    let read = decoder.take(MAX_RAW as u64 + 1).read_to_end(&mut raw);
    if read.is_err() || raw.len() > MAX_RAW { Err(Broken) } else { Ok(raw) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_name_and_every_coding_comes_back() {
        for (content, _) in CONTENTS {
            for (coding, _) in CODINGS {
                let format = Format { content: *content, coding: *coding };
                assert_eq!(Format::by_name(&format.name()), Some(format));
                let raw = b"some bytes, some bytes".repeat(100);
                assert_eq!(coding.decompress(&coding.compress(&raw)), Ok(raw));
                if *coding != Coding::None {
                    assert_eq!(coding.decompress(b"\xff\xff\xff nonsense"), Err(Broken));
                }
            }
        }
        assert_eq!(Format::by_name("lines-ms+lzw"), None);
    }
}
