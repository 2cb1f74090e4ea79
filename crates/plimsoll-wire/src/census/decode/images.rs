//! The list of images.

use hashbrown::{HashMap, HashSet};
use plimsoll_model::census::ImageUse;
use serde::de::{MapAccess, SeqAccess};

use super::DecodeError;
use super::values::{At, Count, KeyName, Skip, Text, Want, Wanted};
use crate::census::{MAX_COUNT, MAX_IMAGE, MAX_IMAGES, keys};

/// All of them, each once.
pub(super) struct Images<'a> {
    pub(super) at: At<'a>,
}

impl<'de> Want<'de> for Images<'_> {
    type Value = Vec<ImageUse>;

    fn at(&self) -> At<'_> {
        self.at
    }

    fn null(self) -> Vec<ImageUse> {
        Vec::new()
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<ImageUse>, A::Error> {
        let mut images = Vec::with_capacity(64);
        let mut count = 0;
        let at = At { go: "models.ImageStat", ..self.at };
        while let Some(image) = list.next_element_seed(Wanted(Image { at }))? {
            count += 1;
            if count > MAX_IMAGES {
                let reason = format!("image_stats has too many images; at most {MAX_IMAGES} are taken");
                return Err(self.at.fault(DecodeError::TooLarge(reason)));
            }
            if !image.image.is_empty() {
                images.push(image);
            }
        }
        Ok(each_once(images))
    }
}

/// Puts together what has the same name. Nearly always there is nothing to do.
fn each_once(images: Vec<ImageUse>) -> Vec<ImageUse> {
    if are_distinct(&images) {
        return images;
    }
    let mut merged: Vec<ImageUse> = Vec::with_capacity(images.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(images.len());
    for image in images {
        let place = *places.entry_ref(image.image.as_str()).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(known) => {
                known.containers = known.containers.saturating_add(image.containers).min(MAX_COUNT);
                known.size_bytes = known.size_bytes.max(image.size_bytes);
            }
            None => merged.push(image),
        }
    }
    merged
}

fn are_distinct(images: &[ImageUse]) -> bool {
    let mut names = HashSet::with_capacity(images.len());
    images.iter().all(|image| names.insert(image.image.as_str()))
}

/// One of them.
struct Image<'a> {
    at: At<'a>,
}

enum Part {
    Name,
    Containers,
    Size,
    Foreign,
}

impl Part {
    fn of(name: &str) -> Self {
        match name {
            "image" => Self::Name,
            "count" => Self::Containers,
            "size_bytes" => Self::Size,
            _ if keys::is_same(name, "image") => Self::Name,
            _ if keys::is_same(name, "count") => Self::Containers,
            _ if keys::is_same(name, "size_bytes") => Self::Size,
            _ => Self::Foreign,
        }
    }
}

impl<'de> Want<'de> for Image<'_> {
    type Value = ImageUse;

    fn at(&self) -> At<'_> {
        self.at
    }

    fn null(self) -> ImageUse {
        ImageUse::default()
    }

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<ImageUse, A::Error> {
        let mut image = ImageUse::default();
        let at = |path, go| At { path, go, ..self.at };
        while let Some(part) = map.next_key_seed(KeyName(Part::of))? {
            match part {
                Part::Name => {
                    let text = Text { at: at("image_stats.image", "string"), most: MAX_IMAGE };
                    if let Some(name) = map.next_value_seed(Wanted(text))? {
                        image.image = name;
                    }
                }
                Part::Containers => {
                    if let Some(count) = map.next_value_seed(Count { at: at("image_stats.count", "int") })? {
                        image.containers = count;
                    }
                }
                Part::Size => {
                    let size = Count { at: at("image_stats.size_bytes", "int64") };
                    if let Some(size) = map.next_value_seed(size)? {
                        image.size_bytes = size;
                    }
                }
                Part::Foreign => map.next_value_seed(Skip(self.at.notes))?,
            }
        }
        Ok(image)
    }
}
