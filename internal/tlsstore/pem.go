package tlsstore

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

var (
	bomUTF8    = []byte("\xef\xbb\xbf")
	beginPEM   = []byte("-----BEGIN ")
	errNoCert  = errors.New("the file has no certificate")
	errNoKey   = errors.New("the file has no private key")
	errNoPass  = errors.New("the private key is encrypted; give its password")
	errBadPass = errors.New("the password is wrong")
)

// blocksPEM returns the blocks of a text. One that does not end, or is not base64, is an error.
func blocksPEM(text []byte) (blocks []*pem.Block, err error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks = append(blocks, block)
	}
	if n := bytes.Count(text, beginPEM); n > len(blocks) {
		return nil, fmt.Errorf("the file is damaged: %d of its %d PEM blocks cannot be read; it may be truncated", n-len(blocks), n)
	}
	return blocks, nil
}

// keyPEM reads a key and its chain. The key may be in a text of its own.
func keyPEM(text, keyText []byte, password string) (*tls.Certificate, error) {
	blocks, err := blocksPEM(text)
	if err != nil {
		return nil, err
	}
	var certs []byte
	for _, b := range blocks {
		if isCertificate(b) {
			certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Bytes})...)
		}
	}
	if certs == nil {
		return nil, errNoCert
	}
	if keyText != nil {
		if blocks, err = blocksPEM(keyText); err != nil {
			return nil, fmt.Errorf("its key: %w", err)
		}
	}
	for _, b := range blocks {
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue
		}
		if b, err = decryptPEM(b, password); err != nil {
			return nil, err
		}
		cert, err := tls.X509KeyPair(certs, pem.EncodeToMemory(b))
		if err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
		}
		return &cert, nil
	}
	return nil, errNoKey
}

func isCertificate(b *pem.Block) bool {
	return b.Type == "CERTIFICATE" || b.Type == "X509 CERTIFICATE" || b.Type == "TRUSTED CERTIFICATE"
}

// certificatesPEM reads all certificates of a text.
func certificatesPEM(text []byte) (certs []*x509.Certificate, err error) {
	blocks, err := blocksPEM(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if !isCertificate(b) {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// decryptPEM returns a private key as it is without its password.
func decryptPEM(b *pem.Block, password string) (*pem.Block, error) {
	//lint:ignore SA1019 keys that openssl 1 wrote are encrypted in this way; files are as safe as their mode
	legacy := x509.IsEncryptedPEMBlock(b)
	if b.Type != "ENCRYPTED PRIVATE KEY" && !legacy {
		return b, nil
	}
	if password == "" {
		return nil, errNoPass
	}
	if !legacy {
		der, err := decryptPKCS8(b.Bytes, password)
		return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
	}
	//lint:ignore SA1019 see above
	der, err := x509.DecryptPEMBlock(b, []byte(password))
	if errors.Is(err, x509.IncorrectPasswordError) || err == nil && !isWhole(der) {
		return nil, errBadPass
	}
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be decrypted: %s; write it anew (openssl pkcs8 -topk8 -v2 aes-256-cbc)",
			strings.TrimPrefix(err.Error(), "x509: "))
	}
	return &pem.Block{Type: b.Type, Bytes: der}, nil
}
