package member

import "github.com/zkctl/zkctl/internal/proto"

func (s *Server) checkQuota(path string, bytes, count int64) proto.Error { return 0 }
