package apache

// What the tests of this package look at; they are outside it because apachetest imports it.
var (
	ArgFile = argFile
	JavaEnv = javaEnv
)

func (s *Server) Work() string                     { return s.work }
func (s *Server) OptionsFile() string              { return s.configPath(jvmOptions) }
func (in *Installation) FindDebian(d string) error { return in.findDebian(d) }
func (in *Installation) TakesArgFiles() bool       { return in.takesArgFiles() }
