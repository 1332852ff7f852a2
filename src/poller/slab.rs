//! Places by number, each with a generation: a token of what has left names nothing, whoever has the place now.

use crate::sys::prefetch;

/// Names a connection or a listener of one [`Poller`](super::Poller). It is never given twice (not before 2³⁰ others have had the same place),
/// and names nothing once what it named has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Where the numbers of listeners begin: a token names a connection or a listener, and never one of each.
pub(super) const FIRST_DOOR: u32 = 1 << 31;

/// Bits of a generation, so that a token and two bits more fit into a key of the tower.
const GENERATIONS: u32 = 1 << 30;

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// Values in places that are used again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// The number of the first place.
    first: u32,
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// None yet; the first place has this number.
    pub(super) fn from(first: u32) -> Self {
        Self {
            first,
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, value: T) -> Token {
        if let Some(index) = self.free.pop() {
            let place = &mut self.places[(index - self.first) as usize];
            place.value = Some(value);
            return Token {
                index,
                generation: place.generation,
            };
        }
        let index = self.first + self.places.len() as u32;
        self.places.push(Place {
            generation: 0,
            value: Some(value),
        });
        Token {
            index,
            generation: 0,
        }
    }

    /// Where the place of that number is. Of one that is not among these it is beyond them.
    #[inline]
    fn at(&self, index: u32) -> usize {
        index.wrapping_sub(self.first) as usize
    }

    #[inline]
    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let at = self.at(token.index);
        let place = self.places.get_mut(at)?;
        if place.generation == token.generation {
            place.value.as_mut()
        } else {
            None
        }
    }

    /// Asks for the first `lines` of what is named. A hint.
    #[inline]
    pub(super) fn warm(&self, token: Token, lines: usize) {
        if let Some(place) = self.places.get(self.at(token.index)) {
            prefetch::value(place, lines);
        }
    }

    pub(super) fn get(&self, token: Token) -> Option<&T> {
        let place = self.places.get(self.at(token.index))?;
        if place.generation == token.generation {
            place.value.as_ref()
        } else {
            None
        }
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<T> {
        let at = self.at(token.index);
        let place = self.places.get_mut(at)?;
        if place.generation != token.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = (place.generation + 1) % GENERATIONS;
        self.free.push(token.index);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Token, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let token = Token {
                index: self.first + index as u32,
                generation: place.generation,
            };
            place.value.as_ref().map(|value| (token, value))
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places
            .iter_mut()
            .filter_map(|place| place.value.as_mut())
    }
}

/// What a key of the tower is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// A half was rung.
    Bell,
    /// The peer's socket or process has something to say.
    Life,
    /// A listener has something to do.
    Door,
}

impl Token {
    /// The key under which the tower tells of it.
    pub(super) fn key(self, topic: Topic) -> u64 {
        let topic = match topic {
            Topic::Bell => 0,
            Topic::Life => 1,
            Topic::Door => 2,
        };
        (u64::from(self.generation) << 34) | (u64::from(self.index) << 2) | topic
    }

    /// Back from a key.
    pub(super) fn of(key: u64) -> (Self, Topic) {
        let topic = match key % 4 {
            0 => Topic::Bell,
            1 => Topic::Life,
            _ => Topic::Door,
        };
        let token = Self {
            index: (key >> 2) as u32,
            generation: (key >> 34) as u32,
        };
        (token, topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_what_has_left_names_nothing() {
        let mut slab = Slab::from(7);
        let one = slab.insert(1);
        let two = slab.insert(2);
        assert_eq!(slab.remove(one), Some(1));
        assert_eq!(slab.remove(one), None);
        let three = slab.insert(3);
        assert_eq!(three.index, one.index, "the place is used again");
        assert_eq!(slab.get(one), None);
        assert_eq!(slab.get_mut(one), None);
        assert_eq!((slab.get(two), slab.get(three)), (Some(&2), Some(&3)));
        assert_eq!(slab.len(), 2);
        assert_eq!(slab.iter().count(), 2);
    }

    #[test]
    fn what_is_numbered_from_elsewhere_is_not_found_here() {
        let (mut low, mut high) = (Slab::from(0), Slab::from(FIRST_DOOR));
        let (one, two) = (low.insert(1), high.insert(2));
        assert_ne!(one, two);
        assert_eq!((low.get(two), high.get(one)), (None, None));
        assert_eq!((low.remove(two), high.remove(one)), (None, None));
        assert_eq!((low.get(one), high.get(two)), (Some(&1), Some(&2)));
    }

    #[test]
    fn a_key_says_who_and_what() {
        let token = Token {
            index: 0x89ab_cdef,
            generation: GENERATIONS - 1,
        };
        for topic in [Topic::Bell, Topic::Life, Topic::Door] {
            assert_eq!(Token::of(token.key(topic)), (token, topic));
        }
    }
}
