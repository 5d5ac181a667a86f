package local

import _ "github.com/zkctl/zkctl/localserver/apache" // local start --engine apache
