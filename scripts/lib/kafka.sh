# Sourced by test-env.sh: an Apache Kafka of one node, broker and controller in one, from the artifacts that Maven brings.
# shellcheck shell=bash disable=SC2030,SC2031,SC2154

# The user of the listener with SASL, for every mechanism.
kafka_user=iotmon
kafka_password=iotmon-secret

# kafka_version prints the exact version for TESTENV_KAFKA_VERSION.
kafka_version() {
    case ${TESTENV_KAFKA_VERSION:-4} in
    4 | 4.x) echo 4.4.0 ;;
    3 | 3.x | 3.9) echo 3.9.2 ;;
    [0-9]*.[0-9]*.[0-9]*) echo "$TESTENV_KAFKA_VERSION" ;;
    *) die "TESTENV_KAFKA_VERSION: want 3, 4 or an exact version such as 4.4.0 (got $TESTENV_KAFKA_VERSION)" ;;
    esac
}

# kafka_home prints the directory of a version's jars, which all environments of the user share.
kafka_home() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/iotmon-test/kafka-$1"; }

# kafka_resolve VERSION downloads the jars with Maven, once.
kafka_resolve() {
    local home
    home=$(kafka_home "$1")
    [ -d "$home/lib" ] && return 0
    mkdir -p "$home"
    (
        exec 8<"$home"
        flock 8
        [ -d "$home/lib" ] && exit 0
        echo "test-env: Maven downloads Kafka $1" >&2
        rm -rf "$home/work"
        mkdir "$home/work"
        cd "$home/work" || exit 1
        kafka_pom "$1" >pom.xml
        if ! mvn -B -N org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$home/work/lib" >mvn.log 2>&1 </dev/null 8<&-; then
            tail -n 20 mvn.log >&2
            exit 1
        fi
        mv lib "$home/lib"
        rm -rf "$home/work"
    ) || die "Maven could not bring Kafka $1; it needs a Maven repository (mvn, ~/.m2/settings.xml)"
}

# kafka_pom prints a project that depends on the server, and on a logger that writes to standard error.
kafka_pom() {
    cat <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>iotmon</groupId><artifactId>test-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$1</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
}

# kafka_java OPTION… sets java_command to the words before a class of the environment's Kafka. Tuned to start fast: the first
# compiler only, the plainest collector.
kafka_java() {
    local home
    home=$(kafka_home "$(cat "$dir/kafka/version")")
    java_command=("$(find_java)" -Xmx512m -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "$@"
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS"
        -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info
        -cp "$(printf '%s:' "$home"/lib/*.jar)")
}

# kafka_archive prints the path of the class data archive, with the classes that a broker loads. It saves a third of the
# work of a start. Another JVM ignores it.
kafka_archive() { echo "$(kafka_home "$1")/classes.jsa"; }

# kafka_formatted VERSION prints the directory of a formatted storage, which environments copy: to format it takes another JVM. The name changes
# with what formats it.
kafka_formatted() {
    local made
    made=$(declare -f kafka_format kafka_properties && echo "$kafka_user $kafka_password")
    echo "$(kafka_home "$1")/formatted-$(cksum <<<"$made" | cut -d ' ' -f 1)"
}

# kafka_train VERSION creates the archive and the formatted storage, once, with a broker that starts only for this. Without them starts are slower.
kafka_train() {
    local archive formatted java_command rest=300
    archive=$(kafka_archive "$1")
    formatted=$(kafka_formatted "$1")
    [ -e "$archive" ] && [ -d "$formatted" ] && return 0
    (
        exec 8<"$(kafka_home "$1")"
        flock 8
        [ -e "$archive" ] && [ -d "$formatted" ] && exit 0
        dir=$(kafka_home "$1")/train
        rm -rf "$dir"
        mkdir -p "$dir/kafka"
        trap 'crash kafka; release_ports; rm -rf "$dir"' EXIT
        kafka_configure "$1"
        if [ ! -d "$formatted" ]; then # mv would move it into the directory that another attempt has made.
            cp -R "$dir/kafka/data" "$dir/formatted"
            mv "$dir/formatted" "$formatted"
        fi
        [ -e "$archive" ] && exit 0
        kafka_java -Xlog:disable "-XX:ArchiveClassesAtExit=$dir/classes"
        # No watchdog ends the broker if this shell is killed.
        launch kafka timeout -k 10 120 "${java_command[@]}" kafka.Kafka "$dir/kafka/server.properties"
        while running kafka >/dev/null && ! kafka_ready && [ "$rest" -gt 0 ]; do
            rest=$((rest - 1))
            sleep 0.1
        done
        end kafka TERM
        mv "$dir/classes" "$archive"
    ) || echo "test-env: Kafka will start more slowly than it could" >&2
}

kafka_prepare() {
    local version
    if [ -e "$dir/kafka/prepared" ]; then
        return 0
    fi
    version=$(kafka_version) || exit 1
    kafka_resolve "$version"
    kafka_train "$version"
    kafka_configure "$version"
    : >"$dir/kafka/prepared"
}

# kafka_configure VERSION creates the files that a broker needs to start.
kafka_configure() {
    local at=$dir/kafka
    echo "$1" >"$at/version"
    reserve_port >"$at/port"
    reserve_port >"$at/sasl-port"
    reserve_port >"$at/controller-port"
    reserve_port >"$at/behind-port"
    reserve_port >"$at/proxy-port"
    kafka_certificate
    kafka_properties >"$at/server.properties"
    kafka_format
}

# kafka_certificate creates a certificate authority, and a certificate of it for the broker.
kafka_certificate() {
    (
        cd "$dir/kafka" || exit 1
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=iotmon test CA' -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >broker.ext
        openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile broker.ext -out broker.crt
        cat broker.key broker.crt ca.pem >broker.pem
    ) >"$dir/kafka/openssl.log" 2>&1 || die "openssl could not make a certificate: $(cat "$dir/kafka/openssl.log")"
}

kafka_properties() {
    local at=$dir/kafka port sasl controller behind proxy
    read -r port <"$at/port"
    read -r sasl <"$at/sasl-port"
    read -r controller <"$at/controller-port"
    read -r behind <"$at/behind-port"
    read -r proxy <"$at/proxy-port"
    cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,SASL_SSL://127.0.0.1:$sasl,CONTROLLER://127.0.0.1:$controller,PROXIED://127.0.0.1:$behind
# Clients of the last listener are directed to the port of a proxy, which a test may run.
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_SSL://127.0.0.1:$sasl,PROXIED://127.0.0.1:$proxy
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$at/data

sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  user_$kafka_user="$kafka_password";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$at/broker.pem

# A topic that is created automatically would hide that the product has not created it.
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# A transaction past its timeout is ended within a second, not within ten.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

# After a kill, a new broker waits until the session of the killed one has expired.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
    # Before 4.0 the protocol of KIP-848 had to be enabled, and was not stable.
    case $(cat "$at/version") in
    3.*) printf '%s\n' group.coordinator.rebalance.protocols=classic,consumer unstable.feature.versions.enable=true ;;
    esac
}

kafka_format() {
    local cluster user formatted java_command
    cluster=$(kafka_id)
    formatted=$(kafka_formatted "$(cat "$dir/kafka/version")")
    rm -rf "$dir/kafka/data"
    if [ -d "$formatted" ]; then
        cp -R "$formatted" "$dir/kafka/data"
        sed -i "s/^cluster.id=.*/cluster.id=$cluster/; s/^directory.id=.*/directory.id=$(kafka_id)/" "$dir/kafka/data/meta.properties"
        return
    fi
    user="name=$kafka_user,password=$kafka_password"
    kafka_java "-XX:SharedArchiveFile=$(kafka_archive "$(cat "$dir/kafka/version")")"
    "${java_command[@]}" kafka.tools.StorageTool format -t "$cluster" -c "$dir/kafka/server.properties" \
        --add-scram "SCRAM-SHA-256=[$user]" \
        --add-scram "SCRAM-SHA-512=[$user]" >"$dir/kafka/format.log" 2>&1 9<&- ||
        die "Kafka's storage could not be formatted: $(cat "$dir/kafka/format.log")"
}

# kafka_id prints a random id as Kafka writes them.
kafka_id() { openssl rand -base64 16 | tr '+/' 'AB' | tr -d =; }

kafka_start() {
    local java_command
    kafka_java "-XX:SharedArchiveFile=$(kafka_archive "$(cat "$dir/kafka/version")")"
    launch kafka "${java_command[@]}" kafka.Kafka "$dir/kafka/server.properties"
}

kafka_ready() {
    local port
    read -r port <"$dir/kafka/port"
    listening "$port" && kcat -b "127.0.0.1:$port" -L -m 5 2>/dev/null | grep -q '^ *broker 1 '
}

kafka_env() {
    variable TESTENV_KAFKA "127.0.0.1:$(cat "$dir/kafka/port")"
    variable TESTENV_KAFKA_BEHIND "127.0.0.1:$(cat "$dir/kafka/behind-port")"
    variable TESTENV_KAFKA_PROXY "127.0.0.1:$(cat "$dir/kafka/proxy-port")"
    variable TESTENV_KAFKA_SASL "127.0.0.1:$(cat "$dir/kafka/sasl-port")"
    variable TESTENV_KAFKA_CA "$dir/kafka/ca.pem"
    variable TESTENV_KAFKA_USER "$kafka_user"
    variable TESTENV_KAFKA_PASSWORD "$kafka_password"
}
