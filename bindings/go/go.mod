module zinc

go 1.22
