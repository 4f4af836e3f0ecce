//! What Plumb applied and so may delete: an ApplySet (<https://kep.k8s.io/3659>), with the UID of each member.
//!
//! The parent is a ConfigMap `<workspace>.<environment>`: its label says the set's id, its annotations which kinds and
//! namespaces to look in, so that any tool which knows the specification can list and prune the set. Members carry
//! the id in a label. What the specification lacks, and deleting safely needs, is in its data: a line an object, by
//! package, with the UID that it had when it was applied. A package that has no room in the parent has it in a
//! ConfigMap of its own number, `<workspace>.<environment>.1`.

use base64::Engine as _;
use plumb_compiler::changes::{Identity, package};
use plumb_compiler::syntax::ast::Name;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The label of members: the id of their set.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";

/// The label of the parent: its id.
pub const ID: &str = "applyset.kubernetes.io/id";

/// The annotation that says which tool a set is of.
pub const TOOLING: &str = "applyset.kubernetes.io/tooling";

/// The annotation that says of which kinds members are.
pub const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";

/// The annotation that says in which namespaces beside the parent's members are.
pub const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";

/// The label of the ConfigMaps that hold a set's lines: the id.
pub const PAGE_OF: &str = "plumb.dev/inventory-of";

/// The bytes of lines that one ConfigMap holds. An API server takes 1 MiB; what is written beside the lines has the rest.
const ROOM: usize = 900 << 10;

/// What a set is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Set {
    /// Of the parent.
    pub name: String,
    /// Of the parent.
    pub namespace: String,
}

impl Set {
    /// That of an environment of a workspace.
    pub fn new(workspace: &str, environment: &str, namespace: &str) -> Self {
        Set {
            name: object_name(&format!("{workspace}.{environment}")),
            namespace: namespace.to_owned(),
        }
    }

    /// `applyset-…-v1`, by the specification.
    pub fn id(&self) -> String {
        let hash = Sha256::digest(format!("{}.{}.ConfigMap.", self.name, self.namespace));
        format!("applyset-{}-v1", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash))
    }
}

/// A name that an API server takes, told apart from others that would become the same.
fn object_name(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() || matches!(it, '.' | '-') { it } else { '-' })
        .collect();
    let parts = plain.split('.');
    let is_sound = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
    if plain == text && plain.len() <= 200 && parts.clone().all(is_sound) {
        return plain;
    }
    let parts: Vec<&str> =
        parts.map(|it| it.trim_matches('-')).filter(|it| !it.is_empty()).collect();
    let mut name: String = parts.join(".").chars().take(200).collect();
    let hash = Sha256::digest(text);
    let _ = write!(name, "-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
    name.trim_start_matches(['-', '.']).to_owned()
}

/// An object that was applied, or is about to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Which one.
    pub identity: Identity,
    /// That of the object which was applied; `None` until the API server said it.
    pub uid: Option<String>,
    /// Names what was applied, by its content; `None` until it was. Where git still has that, whatever differs in the
    /// cluster was changed there.
    pub digest: Option<String>,
    /// The request that made it, with its package.
    pub request: Name,
}

/// What is remembered of a set.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// By object.
    pub entries: BTreeMap<Identity, Entry>,
    /// The number of the page that each package is on.
    pages: BTreeMap<Name, usize>,
    /// The pages that there are, each with its version; the parent is the first.
    versions: BTreeMap<usize, String>,
    /// Those that say what another page says too, since moving a package was interrupted.
    doubled: BTreeSet<usize>,
}

impl Inventory {
    /// Reads the ConfigMaps of a set.
    ///
    /// # Errors
    ///
    /// A sentence where they are not as Plumb writes them: then nothing may be deleted.
    pub fn read(set: &Set, pages: &[Json]) -> Result<Self, String> {
        let mut inventory = Inventory::default();
        for page in pages {
            let name = page["metadata"]["name"].as_str().unwrap_or_default();
            let unknown =
                || format!("ConfigMap {name} in {} is no page of {}", set.namespace, set.name);
            let number = match name.strip_prefix(&set.name) {
                Some("") => 0,
                Some(rest) => {
                    rest.strip_prefix('.').and_then(|it| it.parse().ok()).ok_or_else(unknown)?
                }
                None => return Err(unknown()),
            };
            let version = page["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            inventory.versions.insert(number, version.to_owned());
            for (key, lines) in page["data"].as_object().into_iter().flatten() {
                let package = package_of(key).ok_or_else(|| {
                    format!(
                        "ConfigMap {name} in {} has a key `{key}` that is no package",
                        set.namespace
                    )
                })?;
                if let Some(other) = inventory.pages.insert(package.clone(), number) {
                    inventory.doubled.extend([other, number]);
                }
                for line in lines.as_str().unwrap_or_default().lines() {
                    let entry = read_line(&package, line).ok_or_else(|| {
                        format!(
                            "ConfigMap {name} in {}, `{key}`: `{line}` is no line of an inventory",
                            set.namespace
                        )
                    })?;
                    // A package that moved to another page may stand on both: who knows more holds.
                    match inventory.entries.get(&entry.identity) {
                        Some(known) if known.uid.is_some() => {}
                        _ => {
                            inventory.entries.insert(entry.identity.clone(), entry);
                        }
                    }
                }
            }
        }
        Ok(inventory)
    }

    /// Whether the set is there.
    pub fn is_new(&self) -> bool {
        !self.versions.contains_key(&0)
    }

    /// The kinds of members, each with its group before it.
    pub fn kinds(&self) -> BTreeSet<(Name, Name)> {
        self.entries.keys().map(|it| (it.group.clone(), it.kind.clone())).collect()
    }

    /// What the parent says of kinds and of namespaces. Entries are there before their objects, and until these are
    /// gone: so it is never too little, whatever is interrupted.
    fn said(&self, set: &Set) -> [String; 2] {
        let join = |of: BTreeSet<String>| of.into_iter().collect::<Vec<_>>().join(",");
        let entries = self.entries.keys();
        let kinds = entries.clone().map(|it| group_kind(&it.group, &it.kind)).collect();
        let namespaces = entries.filter_map(|it| it.namespace.as_ref()).map(ToString::to_string);
        [join(kinds), join(namespaces.filter(|it| *it != set.namespace).collect())]
    }

    /// Notes that an object is about to be applied: none is in the cluster before it stands in the inventory, and until
    /// the server has answered nobody knows whether it is what it was, or what this digest names.
    pub fn expect(&mut self, identity: &Identity, request: &Name, digest: &str) {
        let entry = self.entries.entry(identity.clone()).or_insert_with(|| Entry {
            identity: identity.clone(),
            uid: None,
            digest: None,
            request: request.clone(),
        });
        entry.request = request.clone();
        entry.digest.take_if(|it| it != digest);
    }

    /// Notes that an object is about to be deleted: until the server has answered nobody knows whether it is there.
    pub fn expect_gone(&mut self, identity: &Identity) {
        if let Some(entry) = self.entries.get_mut(identity) {
            entry.digest = None;
        }
    }

    /// Whether it says that an object may go.
    pub fn expects_gone(&self, identity: &Identity) -> bool {
        self.entries.get(identity).is_none_or(|it| it.digest.is_none())
    }

    /// Whether it says that an object may become what this digest names.
    pub fn expects(&self, identity: &Identity, digest: &str) -> bool {
        let entry = self.entries.get(identity);
        entry.is_some_and(|it| it.digest.as_ref().is_none_or(|it| it == digest))
    }

    /// Notes what an object that was applied is.
    pub fn applied(&mut self, identity: &Identity, uid: &str, digest: &str) {
        if let Some(entry) = self.entries.get_mut(identity) {
            entry.uid = Some(uid.to_owned());
            entry.digest = Some(digest.to_owned());
        }
    }

    /// This, with what somebody changed between two states of it: who writes beside others loses nothing of theirs.
    pub fn with_changes(mut self, from: &Inventory, to: &Inventory) -> Inventory {
        for (identity, entry) in &to.entries {
            if from.entries.get(identity) != Some(entry) {
                self.entries.insert(identity.clone(), entry.clone());
            }
        }
        for identity in from.entries.keys() {
            if !to.entries.contains_key(identity) {
                self.entries.remove(identity);
            }
        }
        self
    }

    /// Takes from a state that was written what it says of pages.
    pub fn stands_as(&mut self, written: &Inventory) {
        self.pages.clone_from(&written.pages);
        self.versions.clone_from(&written.versions);
        self.doubled.clone_from(&written.doubled);
    }

    /// The ConfigMaps that say this, for the pages that differ from what `before` says, in the order they are written.
    ///
    /// # Errors
    ///
    /// A sentence where a package has more objects than fit.
    pub fn pages(&mut self, set: &Set, before: &Inventory) -> Result<Vec<Page>, String> {
        let texts = self.texts();
        let old = before.texts();
        self.pages.retain(|package, _| texts.contains_key(package));
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        let cost = |package: &Name| texts[package].len() + package.len();
        for (package, page) in &self.pages {
            *sizes.entry(*page).or_default() += cost(package);
        }
        // What outgrew its page moves; what is new goes where there is room.
        let mut homeless: Vec<Name> =
            texts.keys().filter(|it| !self.pages.contains_key(*it)).cloned().collect();
        for page in sizes.clone().into_keys() {
            while sizes[&page] > ROOM {
                let inside = self.pages.iter().filter(|(_, at)| **at == page);
                let Some((package, _)) = inside.max_by_key(|(package, _)| cost(package)) else {
                    break;
                };
                let package = package.clone();
                *sizes.entry(page).or_default() -= cost(&package);
                self.pages.remove(&package);
                homeless.push(package);
            }
        }
        for package in homeless {
            let size = cost(&package);
            if size > ROOM {
                return Err(format!(
                    "package `{package}` makes more objects than can be remembered of one; split it in several"
                ));
            }
            let page = (0..).find(|it| sizes.get(it).copied().unwrap_or(0) + size <= ROOM);
            let page = page.expect("a page that is not there yet has room");
            *sizes.entry(page).or_default() += size;
            self.pages.insert(package, page);
        }
        let all: BTreeSet<usize> = [0]
            .into_iter()
            .chain(self.pages.values().copied())
            .chain(self.versions.keys().copied())
            .collect();
        let on = |pages: &BTreeMap<Name, usize>, texts: &BTreeMap<Name, String>, page: usize| {
            let inside = pages.iter().filter(|(_, at)| **at == page);
            let lines = inside
                .filter_map(|(package, _)| Some((key_of(package), json!(texts.get(package)?))));
            lines.collect::<Map<String, Json>>()
        };
        let mut written = Vec::new();
        for number in all {
            let data = on(&self.pages, &texts, number);
            let is_same = data == on(&before.pages, &old, number)
                && self.versions.contains_key(&number)
                && !self.doubled.contains(&number)
                && (number > 0 || self.said(set) == before.said(set));
            if is_same {
                continue;
            }
            let version = self.versions.get(&number).cloned();
            let is_gone = number > 0 && data.is_empty();
            let object = (!is_gone).then(|| self.page(set, number, data));
            written.push(Page { number, name: page_name(set, number), version, object });
        }
        // A page that a package moved to is written before the one that it was on.
        written.sort_by_key(|page| (page.object.is_none(), page.version.is_some(), page.number));
        Ok(written)
    }

    /// Notes that a page was written.
    pub fn written(&mut self, number: usize, version: Option<String>) {
        self.doubled.remove(&number);
        match version {
            Some(version) => self.versions.insert(number, version),
            None => self.versions.remove(&number),
        };
    }

    fn page(&self, set: &Set, number: usize, data: Map<String, Json>) -> Json {
        let id = set.id();
        let mut metadata = json!({
            "name": page_name(set, number),
            "namespace": set.namespace,
            "labels": { PAGE_OF: id, "app.kubernetes.io/managed-by": "plumb" },
        });
        if number == 0 {
            metadata["labels"][ID] = json!(id);
            let [kinds, namespaces] = self.said(set);
            metadata["annotations"] = json!({
                TOOLING: concat!("plumb/v", env!("CARGO_PKG_VERSION")),
                KINDS: kinds,
                NAMESPACES: namespaces,
            });
        }
        if let Some(version) = self.versions.get(&number) {
            metadata["resourceVersion"] = json!(version);
        }
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data })
    }

    /// The lines of each package.
    fn texts(&self) -> BTreeMap<Name, String> {
        let mut texts: BTreeMap<Name, String> = BTreeMap::new();
        for entry in self.entries.values() {
            let text = texts.entry(package(&entry.request).into()).or_default();
            let Identity { kind, group, namespace, name } = &entry.identity;
            let request = entry.request.rsplit('.').next().unwrap_or_default();
            let uid = entry.uid.as_deref().unwrap_or("-");
            let digest = entry.digest.as_deref().unwrap_or("-");
            let namespace = namespace.as_deref().unwrap_or("");
            let _ = writeln!(
                text,
                "{} {namespace}/{name} {uid} {digest} {request}",
                group_kind(group, kind)
            );
        }
        texts
    }
}

/// A ConfigMap to write.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// Which page.
    pub number: usize,
    /// Of the ConfigMap.
    pub name: String,
    /// As it was read; `None` where it is not there yet.
    pub version: Option<String>,
    /// What it will be; `None` where it is to be deleted.
    pub object: Option<Json>,
}

fn page_name(set: &Set, number: usize) -> String {
    match number {
        0 => set.name.clone(),
        number => format!("{}.{number}", set.name),
    }
}

/// `Deployment.apps`, `ConfigMap`
pub fn group_kind(group: &str, kind: &str) -> String {
    match group {
        "" => kind.to_owned(),
        group => format!("{kind}.{group}"),
    }
}

/// The key of a package's lines: keys of a ConfigMap are `[-._a-zA-Z0-9]+`. No package begins with a dot.
fn key_of(package: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    match package {
        "" => ".root".to_owned(),
        package if package.chars().all(is_plain) => package.to_owned(),
        package => package.bytes().fold(".hex.".to_owned(), |mut key, byte| {
            let _ = write!(key, "{byte:02x}");
            key
        }),
    }
}

fn package_of(key: &str) -> Option<Name> {
    if key == ".root" {
        return Some(Name::default());
    }
    let Some(hex) = key.strip_prefix(".hex.") else {
        return (!key.starts_with('.')).then(|| key.into());
    };
    let digits = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    Some(String::from_utf8(bytes?).ok()?.into())
}

fn read_line(package: &Name, line: &str) -> Option<Entry> {
    let mut parts = line.splitn(5, ' ');
    let (kind, object, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let (digest, request) = (parts.next()?, parts.next()?);
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    let (namespace, name) = object.split_once('/')?;
    let request = match package.as_str() {
        "" => request.into(),
        package => format!("{package}.{request}").into(),
    };
    if [kind, name, uid, digest].contains(&"") {
        return None;
    }
    Some(Entry {
        identity: Identity {
            kind: kind.into(),
            group: group.into(),
            namespace: (!namespace.is_empty()).then(|| namespace.into()),
            name: name.into(),
        },
        uid: (uid != "-").then(|| uid.to_owned()),
        digest: (digest != "-").then(|| digest.to_owned()),
        request,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Set {
        Set::new("acme", "prod", "plumb-system")
    }

    fn identity(kind: &str, group: &str, namespace: &str, name: &str) -> Identity {
        Identity {
            kind: kind.into(),
            group: group.into(),
            namespace: (!namespace.is_empty()).then(|| namespace.into()),
            name: name.into(),
        }
    }

    /// What a server would have after the pages are written.
    fn write(
        inventory: &mut Inventory,
        before: &Inventory,
        server: &mut BTreeMap<String, Json>,
    ) -> usize {
        let pages = inventory.pages(&set(), before).unwrap();
        for page in &pages {
            match &page.object {
                Some(object) => {
                    let mut object = object.clone();
                    object["metadata"]["resourceVersion"] = json!("7");
                    server.insert(page.name.clone(), object);
                    inventory.written(page.number, Some("7".into()));
                }
                None => {
                    server.remove(&page.name);
                    inventory.written(page.number, None);
                }
            }
        }
        pages.len()
    }

    fn read(server: &BTreeMap<String, Json>) -> Inventory {
        Inventory::read(&set(), &server.values().cloned().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_id_is_the_one_of_the_specification() {
        // printf 'acme.prod.plumb-system.ConfigMap.' | sha256sum | xxd -r -p | base64 | tr '+/' '-_' | tr -d '='
        let set = set();
        assert_eq!(set.name, "acme.prod");
        assert_eq!(set.id(), "applyset-Q62otLUT5aDXCKoQNeNExYH-oLP3Vh6Lt6Kjkvh-pO4-v1");
        assert!(set.id().len() <= 63, "it is the value of a label");
    }

    #[test]
    fn a_workspace_of_any_name_has_a_set_that_a_server_takes() {
        for (workspace, starts) in [
            ("acme", "acme.prod"),
            ("Acme Shop", "acme-shop.prod-"),
            ("-a-", "a.prod-"),
            ("näm", "n-m.prod-"),
            ("..", "prod-"),
        ] {
            let name = Set::new(workspace, "prod", "plumb-system").name;
            assert!(name.starts_with(starts), "{workspace}: {name}");
        }
        assert_ne!(object_name("a b"), object_name("a-b"), "two workspaces are two sets");
        assert_ne!(object_name("a b"), object_name("a_b"));
        assert!(object_name(&"x".repeat(400)).len() < 220);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut server = BTreeMap::new();
        let mut inventory = Inventory::default();
        let all = [
            (identity("Deployment", "apps", "shop", "cart"), "apps.shop.cart"),
            (identity("ConfigMap", "", "shop", "cart"), "apps.shop.cart"),
            (identity("Namespace", "", "", "shop"), "top"),
            (identity("Secret", "", "a", "b"), "größe.x"),
        ];
        for (identity, request) in &all {
            inventory.expect(identity, &(*request).into(), "d");
        }
        inventory.applied(&all[0].0, "uid-1", "d1");
        write(&mut inventory, &Inventory::default(), &mut server);
        let again = read(&server);
        assert_eq!(again.entries, inventory.entries);
        let parent = &server["acme.prod"];
        assert_eq!(parent["metadata"]["labels"][ID], json!(set().id()));
        assert_eq!(
            parent["metadata"]["annotations"][KINDS],
            json!("ConfigMap,Deployment.apps,Namespace,Secret")
        );
        assert_eq!(parent["metadata"]["annotations"][NAMESPACES], json!("a,shop"));
        assert_eq!(
            parent["data"]["apps.shop"],
            json!("ConfigMap shop/cart - - cart\nDeployment.apps shop/cart uid-1 d1 cart\n")
        );
        assert_eq!(parent["data"][".root"], json!("Namespace /shop - - top\n"));
        // Nothing to write where nothing changed.
        let mut same = again.clone();
        assert_eq!(write(&mut same, &again, &mut server), 0);
    }

    #[test]
    fn what_is_applied_anew_is_unknown_until_it_is_answered() {
        let id = identity("Pod", "", "x", "a");
        let mut inventory = Inventory::default();
        assert!(!inventory.expects(&id, "d"));
        inventory.expect(&id, &"p.a".into(), "d");
        assert!(inventory.expects(&id, "d"));
        inventory.applied(&id, "1", "d");
        inventory.expect(&id, &"p.a".into(), "d");
        assert_eq!(inventory.entries[&id].digest.as_deref(), Some("d"), "it is what it was");
        assert!(!inventory.expects(&id, "e"));
        inventory.expect(&id, &"p.a".into(), "e");
        let entry = &inventory.entries[&id];
        assert_eq!((entry.uid.as_deref(), entry.digest.as_deref()), (Some("1"), None));
        assert!(inventory.expects(&id, "e"));

        inventory.applied(&id, "1", "e");
        assert!(!inventory.expects_gone(&id));
        inventory.expect_gone(&id);
        assert!(inventory.expects_gone(&id));
        assert_eq!(inventory.entries[&id].uid.as_deref(), Some("1"), "that one and no other");
    }

    #[test]
    fn kinds_and_namespaces_are_said_until_nothing_is_left_of_them() {
        let mut server = BTreeMap::new();
        let mut inventory = Inventory::default();
        inventory.expect(&identity("Job", "batch", "x", "a"), &"p.a".into(), "d");
        write(&mut inventory, &Inventory::default(), &mut server);
        let before = read(&server);
        let mut inventory = before.clone();
        inventory.entries.clear();
        inventory.expect(&identity("Pod", "", "y", "a"), &"p.a".into(), "d");
        write(&mut inventory, &before, &mut server);
        let annotations = &server["acme.prod"]["metadata"]["annotations"];
        assert_eq!(annotations[KINDS], json!("Pod"));
        assert_eq!(annotations[NAMESPACES], json!("y"));
    }

    #[test]
    fn forty_thousand_objects_are_on_pages_and_a_change_writes_one() {
        let mut server = BTreeMap::new();
        let mut inventory = Inventory::default();
        let uid = "01234567-89ab-cdef-0123-456789abcdef";
        for package in 0..400 {
            for object in 0..100 {
                let id = identity(
                    "Deployment",
                    "apps",
                    &format!("team-{package}"),
                    &format!("app-{object}"),
                );
                inventory.expect(&id, &format!("apps.team-{package}.app-{object}").into(), "d");
                inventory.applied(&id, uid, "0123456789");
            }
        }
        write(&mut inventory, &Inventory::default(), &mut server);
        assert!(server.len() > 2, "{} pages", server.len());
        assert!(server.values().all(|page| page["data"].to_string().len() < 1 << 20));
        let before = read(&server);
        assert_eq!(before.entries, inventory.entries);
        let mut inventory = before.clone();
        let id = identity("Deployment", "apps", "team-7", "app-7");
        inventory.applied(&id, "another", "0123456789");
        assert_eq!(write(&mut inventory, &before, &mut server), 1);
        assert_eq!(read(&server).entries[&id].uid.as_deref(), Some("another"));
        // All gone: the pages go, and the parent stays, so that the set is still known.
        let before = read(&server);
        let mut inventory = before.clone();
        inventory.entries.clear();
        write(&mut inventory, &before, &mut server);
        assert_eq!(server.keys().collect::<Vec<_>>(), ["acme.prod"]);
    }

    #[test]
    fn a_package_that_was_being_moved_between_pages_is_put_right() {
        let mut server = BTreeMap::new();
        let mut inventory = Inventory::default();
        inventory.expect(&identity("Pod", "", "x", "a"), &"p.a".into(), "d");
        inventory.applied(&identity("Pod", "", "x", "a"), "1", "d");
        write(&mut inventory, &Inventory::default(), &mut server);
        let mut other = server["acme.prod"].clone();
        other["metadata"]["name"] = json!("acme.prod.1");
        other["data"]["p"] = json!("Pod x/a - - a\nPod x/gone 2 d gone\n");
        server.insert("acme.prod.1".into(), other);
        let before = read(&server);
        assert_eq!(before.entries[&identity("Pod", "", "x", "a")].uid.as_deref(), Some("1"));
        let mut inventory = before.clone();
        inventory.entries.remove(&identity("Pod", "", "x", "gone"));
        write(&mut inventory, &before, &mut server);
        let again = read(&server);
        assert_eq!(again.entries, inventory.entries);
        assert!(again.doubled.is_empty());
    }

    #[test]
    fn what_is_no_inventory_is_no_reason_to_delete_anything() {
        for (name, data) in [
            ("acme.prod", json!({ "p": "Pod" })),
            ("acme.prod", json!({ "p": "Pod x/a 1" })),
            ("acme.prod", json!({ "p": "Pod x/a 1 a" })),
            ("acme.prod", json!({ ".what": "Pod x/a 1 d a" })),
            ("acme.prod.x", json!({})),
            ("other", json!({})),
        ] {
            let page =
                json!({ "metadata": { "name": name, "resourceVersion": "1" }, "data": data });
            assert!(Inventory::read(&set(), &[page]).is_err(), "{name} {data}");
        }
    }

    #[test]
    fn a_package_too_large_to_remember_is_told() {
        let mut inventory = Inventory::default();
        for object in 0..20_000 {
            let id = identity("ConfigMap", "", "shop", &format!("{object:0100}"));
            inventory.expect(&id, &"apps.shop.cart".into(), "d");
        }
        let told = inventory.pages(&set(), &Inventory::default()).unwrap_err();
        assert!(told.contains("package `apps.shop` makes more objects"), "{told}");
    }
}
