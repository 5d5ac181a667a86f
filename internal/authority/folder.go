package authority

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/infile"
)

// The files in a folder, besides those of its identities.
const (
	CertFile       = "ca.pem"
	KeyFile        = "ca.key"
	TrustStoreFile = "truststore.p12"
	PasswordFile   = "password" // of the PKCS12 stores
)

// Folder is a folder with an authority and identities that it has signed.
type Folder struct {
	*Authority
	Dir   string
	Fresh bool // the authority was made by Open

	password string
}

// Open reads the authority in dir. If there is none, it makes one, valid until then. If there
// is no folder, it makes one for its owner only.
func Open(dir, name string, until time.Time) (*Folder, error) {
	f := &Folder{Dir: dir}
	// An existing folder keeps its mode: it may hold other things, and the files made here are for their owner only.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if f.Authority, err = f.read(); err != nil {
		return nil, err
	}
	if f.Authority == nil {
		f.Fresh = true
		if f.Authority, err = f.make(name, until); err != nil {
			return nil, err
		}
	}
	if err := f.readPassword(); err != nil {
		return nil, err
	}
	store, err := f.TrustPKCS12(f.password)
	if err != nil {
		return nil, err
	}
	return f, f.Save(TrustStoreFile, store)
}

// read returns nil if there is no authority.
func (f *Folder) read() (*Authority, error) {
	cert, err := infile.Regular(f.Path(CertFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.Has(KeyFile):
		return nil, fmt.Errorf("there is a %s without its %s; use another folder", KeyFile, CertFile)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	key, err := infile.Regular(f.Path(KeyFile))
	if err != nil {
		return nil, err
	}
	a, err := Parse(cert, key)
	if err == nil && time.Now().After(a.Cert.NotAfter) {
		err = fmt.Errorf("the authority has expired on %s; make another in a new folder", a.Cert.NotAfter.Format(time.DateOnly))
	}
	return a, err
}

func (f *Folder) make(name string, until time.Time) (*Authority, error) {
	a, err := New(name, until)
	if err != nil {
		return nil, err
	}
	key, err := a.KeyPEM()
	if err == nil {
		err = f.saveSecret(KeyFile, key)
	}
	if err == nil {
		err = f.Save(CertFile, a.CertPEM())
	}
	return a, err
}

// readPassword reads the password of the PKCS12 stores, or makes one.
func (f *Folder) readPassword() error {
	b, err := infile.Regular(f.Path(PasswordFile))
	if errors.Is(err, fs.ErrNotExist) {
		f.password = Password()
		return f.saveSecret(PasswordFile, []byte(f.password)) // a line end would be part of it for ZooKeeper
	}
	f.password = strings.TrimRight(string(b), "\r\n")
	return err
}

// Add signs a certificate and writes it, with its key, to file.pem and file.p12.
func (f *Folder) Add(file string, s Subject) (*Identity, error) {
	i, err := f.Issue(s)
	if err != nil {
		return nil, err
	}
	store, err := i.StorePKCS12(f.password)
	if err == nil {
		err = f.saveSecret(file+".p12", store)
	}
	if err != nil {
		return nil, err
	}
	text, err := i.StorePEM()
	if err == nil {
		err = f.saveSecret(file+".pem", text)
	}
	return i, err
}

// Path is where a file is.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Has reports whether there is a file of that name.
func (f *Folder) Has(name string) bool {
	_, err := os.Lstat(f.Path(name))
	return err == nil
}

// Save writes a file. A new one only its owner can read; one that exists keeps its mode.
func (f *Folder) Save(name string, content []byte) error {
	return atomicfile.Write(f.Path(name), content)
}

// saveSecret writes a file that only its owner can read, whoever could before.
func (f *Folder) saveSecret(name string, content []byte) error {
	return atomicfile.WriteOwn(f.Path(name), content)
}
