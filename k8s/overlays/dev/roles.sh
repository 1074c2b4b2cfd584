# Sourced once by the image's entry point, when the database is new: the login of the sink, with what role kmd_writer may and no
# more. The migration grants to that role, and makes it where it is not there.
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set=password="$(cat /etc/kmd/postgres-sink/password)" <<'SQL'
CREATE ROLE kmd_writer NOLOGIN;
CREATE ROLE sink LOGIN PASSWORD :'password' IN ROLE kmd_writer;
SQL
