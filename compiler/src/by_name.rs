//! A map by name that keeps the order in which names were first set.
//!
//! Most records have a handful of fields: they are one vector, searched from its front. What is large
//! has an index as well, so that nothing takes time quadratic in what a user writes.

use crate::syntax::ast::Name;
use rustc_hash::FxHashMap;

/// The entries that are searched without an index.
const SEARCHED: usize = 16;

/// Values by name, in the order that the names were first set.
#[derive(Clone, Debug)]
pub struct ByName<V> {
    entries: Vec<(Name, V)>,
    /// Where each name is, of more than [`SEARCHED`] entries.
    index: Option<Box<FxHashMap<Name, usize>>>,
}

impl<V> Default for ByName<V> {
    fn default() -> Self {
        ByName { entries: Vec::new(), index: None }
    }
}

/// With regard to order: it is printed, so what differs in it alone must be printed again. What the
/// language calls equal is another question.
impl<V: PartialEq> PartialEq for ByName<V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<V> ByName<V> {
    /// An empty one with room for so many.
    pub fn with_capacity(count: usize) -> Self {
        ByName { entries: Vec::with_capacity(count), index: None }
    }

    /// Of names that are all different.
    pub(crate) fn of_distinct(entries: Vec<(Name, V)>) -> Self {
        let mut map = ByName { entries, index: None };
        map.find_again();
        map
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, more: usize) {
        self.entries.reserve(more);
    }

    fn position(&self, name: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(name).copied(),
            None => self.entries.iter().position(|(known, _)| known.as_str() == name),
        }
    }

    /// Whether a name is set.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.position(name).map(|at| &self.entries[at].1)
    }

    /// The value of a name that most such maps have in this place.
    pub fn get_near(&self, place: usize, name: &str) -> Option<&V> {
        match self.entries.get(place) {
            Some((known, value)) if known.as_str() == name => Some(value),
            _ => self.get(name),
        }
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.position(name).map(|at| &mut self.entries[at].1)
    }

    /// Sets a name, which keeps its place if it had one; what it was before.
    pub fn insert(&mut self, name: Name, value: V) -> Option<V> {
        match self.get_mut(&name) {
            Some(known) => Some(std::mem::replace(known, value)),
            None => {
                self.push(name, value);
                None
            }
        }
    }

    /// Adds a name that is not there; its value.
    fn push(&mut self, name: Name, value: V) -> &mut V {
        let at = self.entries.len();
        if let Some(index) = &mut self.index {
            index.insert(name.clone(), at);
        }
        self.entries.push((name, value));
        if at == SEARCHED {
            self.find_again();
        }
        &mut self.entries[at].1
    }

    /// Makes the index anew, once names have changed their places.
    fn find_again(&mut self) {
        self.index = (self.entries.len() > SEARCHED).then(|| {
            let places = self.entries.iter().enumerate();
            Box::new(places.map(|(at, (name, _))| (name.clone(), at)).collect())
        });
    }

    /// The place of a name, set or not.
    pub fn entry(&mut self, name: Name) -> Entry<'_, V> {
        Entry { map: self, name }
    }

    /// Takes a name out; the others keep their order.
    pub fn shift_remove(&mut self, name: &str) -> Option<V> {
        let (_, value) = self.entries.remove(self.position(name)?);
        self.find_again();
        Some(value)
    }

    /// Takes out all but what is wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Name, &mut V) -> bool) {
        self.entries.retain_mut(|(name, value)| wanted(name, value));
        self.find_again();
    }

    /// Names and values.
    pub fn iter(&self) -> Iter<'_, V> {
        Iter(self.entries.iter())
    }

    /// The names.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Name> + ExactSizeIterator {
        self.entries.iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// Names and values, to change these.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Name, &mut V)> {
        self.entries.iter_mut().map(|(name, value)| (&*name, value))
    }
}

/// The place of a name in a [`ByName`].
pub struct Entry<'m, V> {
    map: &'m mut ByName<V>,
    name: Name,
}

impl<'m, V> Entry<'m, V> {
    /// What is there; where nothing is, what is made.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'m mut V {
        match self.map.position(&self.name) {
            Some(at) => &mut self.map.entries[at].1,
            None => self.map.push(self.name, make()),
        }
    }

    /// What is there, or else `value`.
    pub fn or_insert(self, value: V) -> &'m mut V {
        self.or_insert_with(|| value)
    }

    /// What is there, or else a new one.
    pub fn or_default(self) -> &'m mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

impl<V> Extend<(Name, V)> for ByName<V> {
    fn extend<T: IntoIterator<Item = (Name, V)>>(&mut self, more: T) {
        let more = more.into_iter();
        self.reserve(more.size_hint().0);
        for (name, value) in more {
            self.insert(name, value);
        }
    }
}

impl<V> FromIterator<(Name, V)> for ByName<V> {
    fn from_iter<T: IntoIterator<Item = (Name, V)>>(all: T) -> Self {
        let mut map = ByName::default();
        map.extend(all);
        map
    }
}

impl<V> IntoIterator for ByName<V> {
    type Item = (Name, V);
    type IntoIter = std::vec::IntoIter<(Name, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'m, V> IntoIterator for &'m ByName<V> {
    type Item = (&'m Name, &'m V);
    type IntoIter = Iter<'m, V>;

    fn into_iter(self) -> Iter<'m, V> {
        self.iter()
    }
}

/// Names and values of a [`ByName`].
pub struct Iter<'m, V>(std::slice::Iter<'m, (Name, V)>);

impl<'m, V> Iterator for Iter<'m, V> {
    type Item = (&'m Name, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<V> DoubleEndedIterator for Iter<'_, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(name, value)| (name, value))
    }
}

impl<V> ExactSizeIterator for Iter<'_, V> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(range: std::ops::Range<usize>) -> ByName<usize> {
        range.map(|it| (Name::from(format!("n{it}")), it)).collect()
    }

    #[test]
    fn names_are_found_in_small_and_large_ones_after_others_went() {
        for count in [0, 1, SEARCHED - 1, SEARCHED, SEARCHED + 1, SEARCHED + 2, 1000] {
            let mut map = numbered(0..count);
            assert_eq!(map.insert("n0".into(), 7), (count > 0).then_some(0));
            assert_eq!(map.shift_remove("n0"), Some(7));
            map.retain(|_, value| *value % 3 != 0);
            *map.entry("more".into()).or_default() += 1;
            let left: Vec<usize> = (1..count).filter(|it| it % 3 != 0).chain([1]).collect();
            assert!(map.values().eq(&left));
            for (at, value) in left.iter().take(left.len() - 1).enumerate() {
                assert_eq!(map.get(&format!("n{value}")), Some(value));
                assert_eq!(map.iter().nth(at), Some((&format!("n{value}").into(), value)));
            }
            assert!(!map.contains_key("n0") && map.get("more") == Some(&1));
        }
    }

    #[test]
    fn two_of_another_order_are_not_the_same() {
        for count in [2, SEARCHED, 100] {
            let map = numbered(0..count);
            let other: ByName<usize> =
                map.iter().rev().map(|(name, value)| (name.clone(), *value)).collect();
            assert!(map == map.clone() && map != other);
            assert!(map != numbered(1..count) && map != numbered(1..count + 1));
        }
    }
}
