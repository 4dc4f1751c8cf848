//! Finds libzinc: where `ZINC_LIB_DIR` says, else pkg-config, else the `zinc` of `python3`.

use std::{env, path::Path, path::PathBuf, process::Command};

fn main() {
    for name in ["ZINC_LIB_DIR", "ZINC_INCLUDE_DIR", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let Some((library, include)) = from_environment().or_else(from_pkg_config).or_else(from_python) else {
        panic!(
            "libzinc was not found. `pip install zinc-shm` brings it, for the python3 on the path or \
             by PKG_CONFIG_PATH=$(python3 -c 'import zinc; print(zinc.get_pkgconfig())'); or set \
             ZINC_LIB_DIR to the folder of libzinc.so or libzinc.a"
        );
    };
    let folder = library.display();
    println!("cargo:rustc-link-search=native={folder}");
    if library.join("libzinc.a").exists() {
        println!("cargo:rustc-link-lib=static=zinc");
        println!("cargo:rerun-if-changed={folder}/libzinc.a");
    } else {
        println!("cargo:rustc-link-lib=dylib=zinc");
        // Cargo gives it to this package's own programs alone; others read DEP_ZINC_LIB_DIR.
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo:lib_dir={folder}");
    println!("cargo:rustc-env=ZINC_INCLUDE_DIR={}", include.display());
}

type Folders = (PathBuf, PathBuf);

fn from_environment() -> Option<Folders> {
    let library = PathBuf::from(env::var_os("ZINC_LIB_DIR")?);
    let include = env::var_os("ZINC_INCLUDE_DIR").map_or(library.join("include"), PathBuf::from);
    Some((library, include))
}

fn from_pkg_config() -> Option<Folders> {
    let ask = |variable| answer("pkg-config", &[&format!("--variable={variable}"), "zinc"]);
    Some((ask("libdir")?, ask("includedir")?))
}

fn from_python() -> Option<Folders> {
    let ask = |call| answer("python3", &["-c", &format!("import zinc; print(zinc.{call})")]);
    let library: PathBuf = ask("get_library()")?;
    Some((library.parent().map(Path::to_path_buf)?, ask("get_include()")?))
}

fn answer(program: &str, arguments: &[&str]) -> Option<PathBuf> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| PathBuf::from(text.trim()))
}
