package krb5

import (
	"bytes"
	"crypto/hmac"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
)

// The kinds of context tokens (RFC 4121, section 4.1).
const (
	tokenAPReq = 0x0100
	tokenAPRep = 0x0200
	tokenError = 0x0300
)

// mechanism is the object identifier of Kerberos 5 in DER: 1.2.840.113554.1.2.2.
var mechanism = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02}

// frameToken puts a Kerberos message into a context token (RFC 2743, section 3.1).
func frameToken(kind uint16, message []byte) []byte {
	body := binary.BigEndian.AppendUint16(bytes.Clone(mechanism), kind)
	// Raw bytes can always be encoded.
	token, _ := asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, Tag: 0, IsCompound: true, Bytes: append(body, message...)})
	return token
}

// unframeToken is the reverse of frameToken.
func unframeToken(token []byte) (kind uint16, message []byte, err error) {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(token, &raw)
	switch {
	case err != nil || len(rest) > 0 || raw.Class != asn1.ClassApplication || raw.Tag != 0:
		return 0, nil, errors.New("the token is not one of GSSAPI")
	case !bytes.HasPrefix(raw.Bytes, mechanism):
		return 0, nil, errors.New("the token is of another mechanism than Kerberos 5")
	case len(raw.Bytes) < len(mechanism)+2:
		return 0, nil, errors.New("the token is cut off")
	}
	body := raw.Bytes[len(mechanism):]
	return binary.BigEndian.Uint16(body), body[2:], nil
}

// The flags of a context (RFC 2744) and of a wrap token (RFC 4121, section 4.2.2).
const (
	flagMutual    = 2
	flagReplay    = 4
	flagSequence  = 8
	flagConf      = 16
	flagInteg     = 32
	fromAcceptor  = 1
	sealed        = 2
	acceptorsKey  = 4
	wrapHeader    = 16
	usageAcceptor = 22 // keys of wrap tokens by who sends them
	usageClient   = 24
)

// contextChecksum is the checksum of an authenticator (RFC 4121, section 4.1.1), without channel
// bindings or delegation.
func contextChecksum(flags uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 16)
	return binary.LittleEndian.AppendUint32(append(b, make([]byte, 16)...), flags)
}

// wrap makes a wrap token without confidentiality. flags are fromAcceptor and acceptorsKey.
func wrap(payload []byte, key types.EncryptionKey, flags byte, sequence uint64) ([]byte, error) {
	sum, err := wrapChecksum(payload, key, flags, sequence)
	if err != nil {
		return nil, err
	}
	token := []byte{5, 4, flags, 0xff}
	token = binary.BigEndian.AppendUint16(token, uint16(len(sum)))
	token = binary.BigEndian.AppendUint16(token, 0)
	token = binary.BigEndian.AppendUint64(token, sequence)
	return append(append(token, payload...), sum...), nil
}

// unwrap checks a wrap token and returns what it holds. flags are those that it must have.
func unwrap(token []byte, key types.EncryptionKey, flags byte) ([]byte, error) {
	switch {
	case len(token) < wrapHeader:
		return nil, errors.New("the wrap token is cut off")
	case token[0] == 0x60:
		return nil, fmt.Errorf("the wrap token is of an encryption type before AES, which is not supported; give the service AES keys")
	case token[0] != 5 || token[1] != 4 || token[3] != 0xff:
		return nil, errors.New("the token is not a wrap token")
	case token[2]&sealed != 0:
		return nil, errors.New("the wrap token is encrypted, which nobody asked for")
	case token[2] != flags:
		return nil, fmt.Errorf("the wrap token has the flags %#x instead of %#x", token[2], flags)
	}
	length, rotation := int(binary.BigEndian.Uint16(token[4:])), int(binary.BigEndian.Uint16(token[6:]))
	body := bytes.Clone(token[wrapHeader:])
	if length > len(body) {
		return nil, errors.New("the wrap token is cut off")
	}
	if len(body) > 0 { // undo the rotation to the right
		n := rotation % len(body)
		body = append(body[n:len(body):len(body)], body[:n]...)
	}
	payload, sum := body[:len(body)-length], body[len(body)-length:]
	want, err := wrapChecksum(payload, key, token[2], binary.BigEndian.Uint64(token[8:]))
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(sum, want) {
		return nil, errors.New("the checksum of the wrap token is wrong")
	}
	return payload, nil
}

func wrapChecksum(payload []byte, key types.EncryptionKey, flags byte, sequence uint64) ([]byte, error) {
	etype, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	usage := uint32(usageClient)
	if flags&fromAcceptor != 0 {
		usage = usageAcceptor
	}
	text := append(bytes.Clone(payload), 5, 4, flags, 0xff, 0, 0, 0, 0)
	return etype.GetChecksumHash(key.KeyValue, binary.BigEndian.AppendUint64(text, sequence), usage)
}

// noLayer is the security layer that ZooKeeper uses (RFC 4752, section 3.1): none.
const noLayer = 1
