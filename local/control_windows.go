package local

const controlNetwork = "tcp"
