package krb5

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"
)

func testKey(t testing.TB) types.EncryptionKey {
	b, err := hex.DecodeString("14f9bde6b50ec508201a97f74c4e5bd3")
	if err != nil {
		t.Fatal(err)
	}
	return types.EncryptionKey{KeyType: etypeID.AES128_CTS_HMAC_SHA1_96, KeyValue: b}
}

// TestWrap compares the tokens of both sides with those of another implementation.
func TestWrap(t *testing.T) {
	key := testKey(t)
	// The offer of a real server, which gokrb5 tests with too: no layer, at most 0x010000 bytes.
	offer, _ := hex.DecodeString("050401ff000c000000000000575e85d601010000853b728d5268525a1386c19f")
	payload, err := unwrap(offer, key, fromAcceptor)
	if err != nil || hex.EncodeToString(payload) != "01010000" {
		t.Fatalf("%x, %v", payload, err)
	}
	// RFC 4121 allows any rotation.
	for n := range 16 {
		rotated := bytes.Clone(offer)
		rotated[7] = byte(n)
		body := offer[wrapHeader:]
		for i := range body {
			rotated[wrapHeader+(i+n)%len(body)] = body[i]
		}
		if payload, err := unwrap(rotated, key, fromAcceptor); err != nil || hex.EncodeToString(payload) != "01010000" {
			t.Errorf("rotated by %d: %x, %v", n, payload, err)
		}
	}
	ours, err := wrap([]byte{1, 1, 0, 0}, key, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := gssapi.NewInitiatorWrapToken([]byte{1, 1, 0, 0}, key)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := theirs.Marshal(); !bytes.Equal(ours, b) {
		t.Errorf("%x, want %x", ours, b)
	}
	for name, test := range map[string]struct {
		change func(b []byte) []byte
		flags  byte
		want   string
	}{
		"cut off":     {func(b []byte) []byte { return b[:15] }, fromAcceptor, "cut off"},
		"long sum":    {func(b []byte) []byte { b[4] = 0xff; return b }, fromAcceptor, "cut off"},
		"payload":     {func(b []byte) []byte { b[17] ^= 1; return b }, fromAcceptor, "checksum"},
		"sequence":    {func(b []byte) []byte { b[15] ^= 1; return b }, fromAcceptor, "checksum"},
		"encrypted":   {func(b []byte) []byte { b[2] |= sealed; return b }, fromAcceptor, "encrypted"},
		"other side":  {func(b []byte) []byte { return b }, 0, "flags"},
		"not a token": {func(b []byte) []byte { b[0] = 6; return b }, fromAcceptor, "not a wrap token"},
		"RC4":         {func(b []byte) []byte { b[0] = 0x60; return b }, fromAcceptor, "before AES"},
	} {
		if payload, err := unwrap(test.change(bytes.Clone(offer)), key, test.flags); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %x, %v", name, payload, err)
		}
	}
}

func TestFrame(t *testing.T) {
	token := frameToken(tokenAPReq, []byte("message"))
	if kind, message, err := unframeToken(token); err != nil || kind != tokenAPReq || string(message) != "message" {
		t.Error(kind, message, err)
	}
	for _, bad := range [][]byte{nil, token[:5], append(bytes.Clone(token), 0), frameToken(0, nil)[:12], []byte("\x60\x02\x06\x00"), bytes.Replace(token, []byte{0x12, 1}, []byte{0x12, 2}, 1)} {
		if kind, _, err := unframeToken(bad); err == nil {
			t.Errorf("%x is of kind %d", bad, kind)
		}
	}
}

// FuzzTokens: whatever the other side sends, nothing panics, and no checksum is right by chance.
func FuzzTokens(f *testing.F) {
	f.Add(frameToken(tokenAPRep, []byte{0x6f, 0x03, 0x30, 0x01, 0}))
	f.Add(frameToken(tokenError, []byte{0x7e, 0x03, 0x30, 0x01, 0}))
	offer, _ := hex.DecodeString("050401ff000c000000000000575e85d601010000853b728d5268525a1386c19f")
	f.Add(offer)
	f.Fuzz(func(t *testing.T, token []byte) {
		_, _, _ = unframeToken(token)
		if _, err := unwrap(token, testKey(t), fromAcceptor); err == nil && !bytes.Equal(token[8:16], offer[8:16]) {
			t.Error("a wrong token is right")
		}
		x := &initiator{ticket: &ticket{key: testKey(t)}, key: testKey(t), step: 1}
		if _, done, err := x.Step(token); done || err == nil {
			t.Error("the proof is accepted", done)
		}
	})
}
