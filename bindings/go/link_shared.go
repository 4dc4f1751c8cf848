//go:build !zinc_static

package zinc

// The wheel's libzinc.so: PKG_CONFIG_PATH=$(python3 -c 'import zinc; print(zinc.get_pkgconfig())')

// #cgo pkg-config: zinc
import "C"
