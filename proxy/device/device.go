// Package device is how devices, and the platforms in front of them, are
// called: with their credentials, and only at addresses that the site allows.
package device
