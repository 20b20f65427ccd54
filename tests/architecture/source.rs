//! A [`Source`] is a file of Rust, parsed.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One file of Rust.
pub struct Source {
    /// Its path from the root of the repository.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its items, without modules of tests.
    pub file: syn::File,
}

/// Returns the root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every file below a folder with one of these extensions, sorted; without what is
/// built or installed. A folder that does not exist is an error.
pub fn files(folder: &str, extensions: &[&str]) -> Vec<String> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    let relative = paths.iter().map(|path| path.strip_prefix(root()).expect("a path below the root"));
    let mut files: Vec<_> = relative
        .filter(|path| {
            let extension = path.extension().map_or("", |it| it.to_str().expect("UTF-8"));
            extensions.contains(&extension)
        })
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no files {extensions:?}");
    files
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry of a folder").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        if !path.is_dir() {
            paths.push(path);
        } else if !matches!(name.as_str(), "node_modules" | "target" | "dist" | "corpus") {
            collect(&path, paths);
        }
    }
}

/// Returns the text of a file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns every file of Rust below a folder, sorted by path.
pub fn sources(folder: &str) -> Vec<Source> {
    files(folder, &["rs"]).into_iter().map(Source::parse).collect()
}

/// Fails with one line for each fault.
#[track_caller]
pub fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

impl Source {
    fn parse(path: String) -> Self {
        let text = read(&path);
        let mut file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        file.items.retain(|item| !is_test_module(item));
        Self { path, text, file }
    }

    /// Returns the path below `src/`.
    pub fn below_src(&self) -> &str {
        self.path.strip_prefix("src/").expect("a file of src/")
    }

    /// Returns the file's name without its extension.
    pub fn name(&self) -> &str {
        Path::new(&self.path).file_stem().and_then(|name| name.to_str()).expect("a name")
    }

    /// Returns the code with comments and the contents of texts left out, a line for each
    /// line of the file.
    pub fn code(&self) -> Vec<(usize, String)> {
        let mut tokens = Tokens(Vec::new());
        for item in &self.file.items {
            tokens.add(quote_tokens(item));
        }
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (line, text) in tokens.0 {
            match lines.last_mut() {
                Some((last, code)) if *last == line => {
                    code.push_str(&text);
                }
                _ => lines.push((line, text)),
            }
        }
        lines
    }

    /// Returns every function with its name, its number of lines and of parameters without
    /// `self`, and its first line.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Functions(Vec::new());
        functions.visit_file(&self.file);
        functions.0
    }
}

/// A function or method.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
    pub parameters: usize,
    /// How many blocks, closures' bodies included, its deepest one is within.
    pub nesting: usize,
}

struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (start, end) = (signature.span().start().line, block.span().end().line);
        let is_self = |input: &&syn::FnArg| matches!(input, syn::FnArg::Receiver(_));
        let parameters = signature.inputs.iter().filter(|input| !is_self(input)).count();
        let mut depth = Depth::default();
        depth.visit_block(block);
        let name = signature.ident.to_string();
        let lines = end - start + 1;
        self.0.push(Function { name, line: start, lines, parameters, nesting: depth.deepest });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
}

#[derive(Default)]
struct Depth {
    now: usize,
    deepest: usize,
}

impl<'ast> Visit<'ast> for Depth {
    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
        visit::visit_block(self, block);
        self.now -= 1;
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
        visit::visit_expr_match(self, expression);
        self.now -= 1;
    }
}

fn is_test_module(item: &syn::Item) -> bool {
    matches!(item, syn::Item::Mod(module) if module.ident == "tests" && module.content.is_some())
}

fn quote_tokens(item: &syn::Item) -> proc_macro2::TokenStream {
    quote::ToTokens::to_token_stream(item)
}

/// The tokens of code with their lines; a literal text is one empty text.
struct Tokens(Vec<(usize, String)>);

impl Tokens {
    fn add(&mut self, stream: proc_macro2::TokenStream) {
        let mut after_word = false;
        for token in stream {
            let line = token.span().start().line;
            let (text, is_word) = match token {
                proc_macro2::TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                        proc_macro2::Delimiter::Brace => ("{", "}"),
                        proc_macro2::Delimiter::Bracket => ("[", "]"),
                        proc_macro2::Delimiter::None => ("", ""),
                    };
                    self.0.push((group.span_open().start().line, open.to_owned()));
                    self.add(group.stream());
                    self.0.push((group.span_close().start().line, close.to_owned()));
                    after_word = false;
                    continue;
                }
                proc_macro2::TokenTree::Ident(ident) => (ident.to_string(), true),
                proc_macro2::TokenTree::Punct(punct) => (punct.as_char().to_string(), false),
                proc_macro2::TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let is_number = text.starts_with(|first: char| first.is_ascii_digit());
                    (if is_number { text } else { "\"\"".to_owned() }, true)
                }
            };
            let text = if after_word && is_word { format!(" {text}") } else { text };
            self.0.push((line, text));
            after_word = is_word;
        }
    }
}
