package tlsstore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// The encryption of PKCS#8 keys: PBES2 with PBKDF2 (RFC 8018), as openssl writes it from 1.0 on, and
// as ZooKeeper's PemReader reads it.
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct{ Derivation, Encryption pkix.AlgorithmIdentifier }
	pbkdf2Param struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// maxIterations bounds the time that a password may take; openssl writes 2,048, keytool 10,000.
const maxIterations = 5_000_000

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// prf is the hash of PBKDF2; the default is SHA-1.
func prf(oid asn1.ObjectIdentifier) func() hash.Hash {
	switch oid.String() {
	case "", "1.2.840.113549.2.7":
		return sha1.New
	case "1.2.840.113549.2.8":
		return sha256.New224
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.10":
		return sha512.New384
	case "1.2.840.113549.2.11":
		return sha512.New
	}
	return nil
}

// blockCipher returns the length of a cipher's key, and the cipher, in CBC mode.
func blockCipher(oid asn1.ObjectIdentifier) (keyLength int, newCipher func([]byte) (cipher.Block, error)) {
	switch oid.String() {
	case "2.16.840.1.101.3.4.1.2":
		return 16, aes.NewCipher
	case "2.16.840.1.101.3.4.1.22":
		return 24, aes.NewCipher
	case "2.16.840.1.101.3.4.1.42":
		return 32, aes.NewCipher
	case "1.2.840.113549.3.7":
		return 24, des.NewTripleDESCipher
	}
	return 0, nil
}

// errEncryption is for what neither this program nor ZooKeeper decrypts.
func errEncryption(oid asn1.ObjectIdentifier) error {
	return fmt.Errorf("the private key's encryption (%v) is not supported; write it anew (openssl pkcs8 -topk8 -v2 aes-256-cbc)", oid)
}

var errEncrypted = errors.New("the encrypted private key is damaged")

// decryptPKCS8 decrypts an EncryptedPrivateKeyInfo.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var key encryptedKey
	if rest, err := asn1.Unmarshal(der, &key); err != nil || len(rest) > 0 {
		return nil, errEncrypted
	}
	if !key.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errEncryption(key.Algorithm.Algorithm)
	}
	var scheme pbes2Params
	if _, err := asn1.Unmarshal(key.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, errEncrypted
	}
	if !scheme.Derivation.Algorithm.Equal(oidPBKDF2) {
		return nil, errEncryption(scheme.Derivation.Algorithm)
	}
	var derive pbkdf2Param
	if _, err := asn1.Unmarshal(scheme.Derivation.Parameters.FullBytes, &derive); err != nil {
		return nil, errEncrypted
	}
	hash := prf(derive.PRF.Algorithm)
	if hash == nil {
		return nil, errEncryption(derive.PRF.Algorithm)
	}
	length, newCipher := blockCipher(scheme.Encryption.Algorithm)
	if newCipher == nil {
		return nil, errEncryption(scheme.Encryption.Algorithm)
	}
	var iv []byte
	if _, err := asn1.Unmarshal(scheme.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, errEncrypted
	}
	if derive.Iterations < 1 || derive.Iterations > maxIterations || derive.KeyLength != 0 && derive.KeyLength != length {
		return nil, errEncrypted
	}
	secret, err := pbkdf2.Key(hash, password, derive.Salt, derive.Iterations, length)
	if err != nil {
		return nil, fmt.Errorf("the private key's password: %w", err)
	}
	block, err := newCipher(secret)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size || len(key.Data) == 0 || len(key.Data)%size != 0 {
		return nil, errEncrypted
	}
	plain := make([]byte, len(key.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, key.Data)
	// The padding is right by accident once in 256 wrong passwords; what it leaves is not DER then.
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errBadPass
	}
	plain = plain[:len(plain)-pad]
	if !isWhole(plain) {
		return nil, errBadPass
	}
	return plain, nil
}

func isWhole(der []byte) bool {
	var value asn1.RawValue
	rest, err := asn1.Unmarshal(der, &value)
	return err == nil && len(rest) == 0
}
