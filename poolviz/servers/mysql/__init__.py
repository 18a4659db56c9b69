"""MySQL and MariaDB: everything that poolviz asks of such a server. Needs PyMySQL, an extra."""
