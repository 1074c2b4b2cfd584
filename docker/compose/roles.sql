-- Once, when the database is new: the login of the sink, with what role kmd_writer may and no more.
CREATE ROLE kmd_writer NOLOGIN;
CREATE ROLE kmd LOGIN IN ROLE kmd_writer;
