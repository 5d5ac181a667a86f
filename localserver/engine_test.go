package localserver

import _ "github.com/zkctl/zkctl/localserver/apache" // for the tests with members of Apache's
