#!/usr/bin/env bash
# Builds the program as one static file, which is all that an image FROM scratch needs, and prints where it is.
#
#   scripts/static-binary.sh [CARGO OPTIONS]     default: --release
#
# Where rustup has the musl target, it is an ordinary build for it. A machine whose toolchain gets no further target
# builds the standard library itself, with Debian's compiler for web browsers. That one's panics abort, because there is
# no static unwinder without the target's own files: what deploy/Dockerfile builds is the program to hand out.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/scripts

TARGET=$(uname -m)-unknown-linux-musl
variable=${TARGET//-/_}
options=("$@")
[ $# -gt 0 ] || options=(--release)
folder=debug
case " ${options[*]} " in *" --release "*) folder=release ;; esac
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

command -v cargo >/dev/null 2>&1 || {
  echo "static-binary: cargo is missing; install Rust (https://rustup.rs) with the version in Cargo.toml or newer" >&2
  exit 1
}
"$here/need.sh" musl-gcc=musl-tools >&2
export "CC_$variable=musl-gcc" "CARGO_TARGET_${variable^^}_LINKER=musl-gcc"
build=(cargo build --locked -p plimsoll --target "$TARGET" "${options[@]}")

if command -v rustup >/dev/null 2>&1 && rustup target list --installed 2>/dev/null | grep -qx "$TARGET"; then
  "${build[@]}" >&2
else
  "$here/need.sh" /usr/bin/rustc=rustc-web >&2
  library=$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library
  # That package brings no command that could be asked for, so its complaint says nothing.
  [ -d "$library" ] || "$here/need.sh" rust-web-src=rust-web-src >&2 || [ -d "$library" ]
  # What the standard library wants of an unwinder, for a program that never unwinds.
  stubs=$target/static-stubs
  mkdir -p "$stubs"
  {
    echo 'void abort(void);'
    echo 'int _Unwind_Backtrace(void *a, void *b) { (void)a; (void)b; return 5; }' # the end of the stack
    for name in GetIP GetIPInfo GetCFA GetGR GetRegionStart GetLanguageSpecificData GetTextRelBase GetDataRelBase FindEnclosingFunction; do
      echo "unsigned long _Unwind_$name(void *a) { (void)a; return 0; }"
    done
    for name in SetGR SetIP DeleteException; do echo "void _Unwind_$name(void *a) { (void)a; }"; done
    for name in Resume RaiseException; do echo "int _Unwind_$name(void *a) { (void)a; abort(); return 9; }"; done
  } >"$stubs/unwind.c"
  musl-gcc -O2 -c -o "$stubs/unwind.o" "$stubs/unwind.c"
  rm -f "$stubs/libunwind.a"
  ar rcs "$stubs/libunwind.a" "$stubs/unwind.o"
  export "CARGO_TARGET_${variable^^}_RUSTFLAGS=-C link-self-contained=no -C target-feature=+crt-static -C relocation-model=static -C link-arg=-static -L native=$stubs"
  RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_DEV_PANIC=abort \
    "${build[@]}" -Zbuild-std=std,panic_abort >&2
fi
echo "$target/$TARGET/$folder/plimsoll"
