import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLSession;

/**
 * Calls an address with a client certificate: java @client.options TlsClient.java ADDRESS
 *
 * <p>The key, and whom to trust, are in the stores that the options name; nothing about TLS is
 * written here, and nothing of its verification is switched off.
 */
public final class TlsClient {
    public static void main(String[] arguments) throws Exception {
        URI address = arguments.length == 1 ? httpsAddress(arguments[0]) : null;
        if (address == null) {
            System.err.println("usage: java @client.options TlsClient.java https://HOST/PATH");
            System.exit(2);
        }
        HttpRequest request = HttpRequest.newBuilder(address).build();
        HttpResponse<String> response =
                HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        SSLSession session = response.sslSession().orElseThrow();
        X509Certificate server = (X509Certificate) session.getPeerCertificates()[0];
        System.out.println("status " + response.statusCode());
        System.out.println("server " + server.getSubjectX500Principal().getName());
        if (session.getLocalCertificates() != null) {
            X509Certificate own = (X509Certificate) session.getLocalCertificates()[0];
            System.out.println("client " + own.getSubjectX500Principal().getName());
        }
    }

    private static URI httpsAddress(String text) {
        try {
            URI address = new URI(text);
            boolean https = "https".equalsIgnoreCase(address.getScheme());
            return https && address.getHost() != null ? address : null;
        } catch (URISyntaxException notOne) {
            return null;
        }
    }
}
