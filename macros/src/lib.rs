//! The attribute macros of the `weir` crate.

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, parse_macro_input};

/// Makes an `async fn main() -> weir::Result<()>` a program: the runtime, the log on stderr, the
/// allocator, and an exit code that tells kinds of failure apart (`weir::exit_code`).
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    if !arguments.is_empty() {
        return error(&function, "#[weir::main] takes no arguments");
    }
    if function.sig.asyncness.is_none() {
        return error(&function, "#[weir::main] goes on an async fn");
    }
    if !function.sig.inputs.is_empty() {
        return error(&function, "main takes no parameters; read std::env::args()");
    }
    let ItemFn {
        attrs, sig, block, ..
    } = &function;
    let name = &sig.ident;
    let output = &sig.output;
    quote! {
        #[global_allocator]
        static WEIR_ALLOCATOR: ::weir::program::Allocator = ::weir::program::ALLOCATOR;

        #(#attrs)*
        fn #name() -> ::std::process::ExitCode {
            async fn body() #output #block
            ::weir::program::run(body())
        }
    }
    .into()
}

fn error(function: &ItemFn, message: &str) -> TokenStream {
    syn::Error::new_spanned(&function.sig, message)
        .to_compile_error()
        .into()
}
