//! What may import what. Modules stand in `lib.rs` in the order of their dependencies, and
//! no file imports, over whatever way, a file that imports it.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use super::features::FEATURES;
use super::source::{Source, assert_none, read, sources};

/// A path in code that begins at the crate or at a parent module.
struct Import {
    segments: Vec<String>,
    line: usize,
}

#[derive(Default)]
struct Imports {
    found: Vec<Import>,
}

impl Imports {
    fn add(&mut self, segments: Vec<String>, line: usize) {
        // A path of one segment is a visibility.
        let is_own = matches!(segments.first().map(String::as_str), Some("crate" | "super" | "self"));
        if is_own && segments.len() > 1 {
            self.found.push(Import { segments, line });
        }
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let extended = |name: &syn::Ident| {
            let mut segments = before.to_vec();
            segments.push(name.to_string());
            segments
        };
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&extended(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.add(before.to_vec(), name.ident.span().start().line);
            }
            syn::UseTree::Name(name) => self.add(extended(&name.ident), name.ident.span().start().line),
            syn::UseTree::Rename(name) => self.add(extended(&name.ident), name.ident.span().start().line),
            syn::UseTree::Glob(glob) => self.add(before.to_vec(), glob.star_token.spans[0].start().line),
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    /// A visibility names a module, and imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments[0].ident.span().start().line;
        self.add(segments, line);
        visit::visit_path(self, path);
    }

    /// The arguments of attributes and macros are tokens; paths of the crate in them are found
    /// by their words.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.add_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }
}

impl Imports {
    /// Adds the paths among tokens: names with `::` between them.
    fn add_tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            if let proc_macro2::TokenTree::Punct(punct) = &token
                && punct.as_char() == ':'
            {
                colons += 1;
                continue;
            }
            if colons != 2 {
                self.add(std::mem::take(&mut path), line);
                line = token.span().start().line;
            }
            colons = 0;
            match token {
                proc_macro2::TokenTree::Ident(name) => path.push(name.to_string()),
                proc_macro2::TokenTree::Group(group) => self.add_tokens(group.stream()),
                _ => {}
            }
        }
        self.add(path, line);
    }
}

/// Every file of `src/` by the path of its module, as `["auth", "tokens"]`.
struct Tree {
    sources: Vec<Source>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl Tree {
    fn read() -> Self {
        let sources = sources("src");
        let by_module = sources.iter().enumerate().map(|(place, source)| (module(source), place)).collect();
        Self { sources, by_module }
    }

    /// Returns the files that each file imports, with the lines where it does.
    fn edges(&self) -> Vec<BTreeMap<usize, usize>> {
        self.sources.iter().enumerate().map(|(place, source)| self.imported_by(place, source)).collect()
    }

    fn imported_by(&self, place: usize, source: &Source) -> BTreeMap<usize, usize> {
        let mut imports = Imports::default();
        imports.visit_file(&source.file);
        let own = module(source);
        let mut edges = self.declared_by(&own, source);
        for import in imports.found {
            if let Some(target) = self.file_of(&own, &import.segments)
                && target != place
            {
                edges.entry(target).or_insert(import.line);
            }
        }
        edges
    }

    /// Returns the files that a file declares as its modules. It depends on them, so they may not
    /// import it: a `mod.rs` re-exports names, and siblings import them from where they are.
    fn declared_by(&self, own: &[String], source: &Source) -> BTreeMap<usize, usize> {
        let declared = source.file.items.iter().filter_map(|item| match item {
            syn::Item::Mod(module) if module.content.is_none() => Some(&module.ident),
            _ => None,
        });
        let child = |name: &syn::Ident| [own, &[name.to_string()]].concat();
        declared
            .filter_map(|name| Some((*self.by_module.get(&child(name))?, name.span().start().line)))
            .collect()
    }

    /// Returns the file that the longest beginning of a path names.
    fn file_of(&self, own: &[String], segments: &[String]) -> Option<usize> {
        let mut module = own.to_vec();
        let mut rest = segments.iter();
        for segment in rest.by_ref() {
            match segment.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => {
                    module.pop();
                }
                _ => {
                    module.push(segment.clone());
                    break;
                }
            }
        }
        for segment in rest {
            module.push(segment.clone());
        }
        while !module.is_empty() {
            if let Some(place) = self.by_module.get(&module) {
                return Some(*place);
            }
            module.pop();
        }
        None
    }
}

/// Returns the path of a file's module. The root is no module of its own.
fn module(source: &Source) -> Vec<String> {
    let path = source.below_src().strip_suffix(".rs").expect("a file of Rust");
    let mut module: Vec<_> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

/// Returns the modules in the order of `lib.rs`.
fn modules() -> Vec<String> {
    let lib = read("src/lib.rs");
    let names = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

fn is_root(source: &Source) -> bool {
    matches!(source.below_src(), "lib.rs" | "main.rs")
}

#[test]
fn a_module_imports_only_those_above_it_in_lib_rs() {
    let (tree, modules) = (Tree::read(), modules());
    let place = |name: &str| modules.iter().position(|module| module == name);
    let mut faults = Vec::new();
    for (source, imported) in tree.sources.iter().zip(tree.edges()) {
        if is_root(source) {
            continue;
        }
        let own = &module(source)[0];
        let own_place = place(own).unwrap_or_else(|| panic!("{} is in no module of lib.rs", source.path));
        for (target, line) in imported {
            let target = &module(&tree.sources[target])[0];
            if place(target).is_some_and(|place| place > own_place) {
                faults.push(format!("{}:{line}: {own} imports {target}, which is below it", source.path));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let tree = Tree::read();
    let edges = tree.edges();
    let mut faults = BTreeSet::new();
    for start in 0..tree.sources.len() {
        if is_root(&tree.sources[start]) {
            continue;
        }
        for (&target, line) in &edges[start] {
            if let Some(path) = path_between(&edges, target, start) {
                let names: Vec<_> = path.iter().map(|place| tree.sources[*place].below_src()).collect();
                faults.insert(format!("{}:{line} imports {}", tree.sources[start].path, names.join(" → ")));
            }
        }
    }
    assert_none(&faults.into_iter().collect::<Vec<_>>());
}

/// Returns the shortest way from one file to another along imports.
fn path_between(edges: &[BTreeMap<usize, usize>], from: usize, to: usize) -> Option<Vec<usize>> {
    let mut reached_from = BTreeMap::from([(from, from)]);
    let mut waiting = std::collections::VecDeque::from([from]);
    while let Some(place) = waiting.pop_front() {
        if place == to {
            let mut path = vec![to];
            while *path.last().expect("not empty") != from {
                path.push(reached_from[path.last().expect("not empty")]);
            }
            path.reverse();
            return Some(path);
        }
        for &next in edges[place].keys() {
            reached_from.entry(next).or_insert_with(|| {
                waiting.push_back(next);
                place
            });
        }
    }
    None
}

#[test]
fn the_root_stays_small() {
    let modules = modules().into_iter().filter(|module| !FEATURES.contains(&module.as_str())).count();
    assert!((5..=19).contains(&modules), "lib.rs has {modules} modules that are no features");
    let files = sources("src").into_iter().filter(|source| !source.below_src().contains('/')).count();
    assert!(files <= 8, "src/ has {files} files at its root");
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let text = "use crate::{a::{b, self}, c};\nfn f() { super::d::e() }\nm! { x: crate::g::H, }\n\
                #[p(q = crate::i)]\nstruct S;\n";
    let file = syn::parse_file(text).expect("Rust");
    let mut imports = Imports::default();
    imports.visit_file(&file);
    let found: Vec<_> = imports.found.iter().map(|it| (it.segments.join("::"), it.line)).collect();
    let expected = [
        ("crate::a::b", 1),
        ("crate::a", 1),
        ("crate::c", 1),
        ("super::d::e", 2),
        ("crate::g::H", 3),
        ("crate::i", 4),
    ];
    assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
}
