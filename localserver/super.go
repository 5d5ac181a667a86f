package localserver

import (
	"crypto/sha1" //nolint:gosec // what the scheme digest has
	"encoding/base64"
)

// superDigest is what DigestAuthenticationProvider.superDigest takes for a password of super.
func superDigest(password string) string {
	sum := sha1.Sum([]byte("super:" + password)) //nolint:gosec // what the scheme digest has
	return "super:" + base64.StdEncoding.EncodeToString(sum[:])
}
