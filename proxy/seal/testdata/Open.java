import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import java.security.spec.MGF1ParameterSpec;

/**
 * The platform's side as a Java programmer writes it with javax.crypto, and the
 * client's. One task a line on stdin, one answer a line on stdout:
 *
 *   open MODE BITS KEY IV RSA OUTPUT PRIVATE ENVELOPE  ->  Base64 of the document
 *   seal MODE BITS KEY IV RSA OUTPUT PUBLIC  DOCUMENT  ->  the envelope
 *
 * PRIVATE and PUBLIC are Base64 of PKCS#8 and of X.509, DOCUMENT is Base64, IV is
 * "-" for ecb. ENVELOPE has no spaces in it.
 */
public class Open {
    static final String LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static final SecureRandom random = new SecureRandom();

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null;) {
            String answer;
            try {
                String[] f = line.split(" ");
                answer = f[0].equals("open") ? open(f) : seal(f);
            } catch (Exception e) {
                answer = "error: " + e;
            }
            System.out.println(answer);
        }
    }

    static String open(String[] f) throws Exception {
        Matcher m = Pattern.compile("\\{\"encrypted\":\"([^\"]*)\",\"requestData\":\"([^\"]*)\"\\}").matcher(f[8]);
        if (!m.matches()) {
            throw new Exception("not an envelope of these two members");
        }
        KeyFactory factory = KeyFactory.getInstance("RSA");
        PrivateKey key = factory.generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(f[7])));
        Cipher rsa = Cipher.getInstance(transformation(f[5]));
        rsa.init(Cipher.DECRYPT_MODE, key, parameters(f[5]));
        byte[] session = fromText(f[3], rsa.doFinal(decode(f[6], m.group(1))));
        if (session.length * 8 != Integer.parseInt(f[2])) {
            throw new Exception("session key has " + session.length + " bytes");
        }
        byte[] data = decode(f[6], m.group(2));
        int n = ivSize(f[1]);
        byte[] iv = iv(f[4], n, session, data);
        int from = f[4].equals("prefix") ? n : 0;
        Cipher aes = aes(Cipher.DECRYPT_MODE, f[1], session, iv);
        return Base64.getEncoder().encodeToString(aes.doFinal(data, from, data.length - from));
    }

    static String seal(String[] f) throws Exception {
        KeyFactory factory = KeyFactory.getInstance("RSA");
        PublicKey key = factory.generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(f[7])));
        byte[] session = new byte[Integer.parseInt(f[2]) / 8];
        random.nextBytes(session);
        if (f[3].equals("chars")) {
            for (int i = 0; i < session.length; i++) {
                session[i] = (byte) LETTERS.charAt(random.nextInt(LETTERS.length()));
            }
        }
        Cipher rsa = Cipher.getInstance(transformation(f[5]));
        rsa.init(Cipher.ENCRYPT_MODE, key, parameters(f[5]));
        byte[] wrapped = rsa.doFinal(toText(f[3], session));

        int n = ivSize(f[1]);
        byte[] drawn = new byte[n];
        random.nextBytes(drawn);
        byte[] iv = iv(f[4], n, session, drawn);
        byte[] box = aes(Cipher.ENCRYPT_MODE, f[1], session, iv).doFinal(Base64.getDecoder().decode(f[8]));
        if (f[4].equals("prefix")) {
            byte[] both = Arrays.copyOf(iv, n + box.length);
            System.arraycopy(box, 0, both, n, box.length);
            box = both;
        }
        return "{\"encrypted\":\"" + encode(f[6], wrapped) + "\",\"requestData\":\"" + encode(f[6], box) + "\"}";
    }

    static String transformation(String rsa) {
        switch (rsa) {
            case "oaep-sha1":
                return "RSA/ECB/OAEPWithSHA-1AndMGF1Padding";
            case "oaep-sha256":
            case "oaep-sha256-mgf1-sha1":
                return "RSA/ECB/OAEPWithSHA-256AndMGF1Padding";
            default:
                return "RSA/ECB/PKCS1Padding";
        }
    }

    // Without parameters the JDK means MGF1 with SHA-1, whatever the digest.
    static AlgorithmParameterSpec parameters(String rsa) {
        if (rsa.equals("oaep-sha256")) {
            return new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);
        }
        return null;
    }

    static int ivSize(String mode) {
        return mode.equals("ecb") ? 0 : mode.equals("cbc") ? 16 : 12;
    }

    static byte[] iv(String form, int n, byte[] session, byte[] data) {
        switch (form) {
            case "prefix":
                return Arrays.copyOf(data, n);
            case "key":
                return Arrays.copyOf(session, n);
            default:
                return new byte[n];
        }
    }

    static Cipher aes(int direction, String mode, byte[] session, byte[] iv) throws Exception {
        SecretKeySpec key = new SecretKeySpec(session, "AES");
        if (mode.equals("gcm")) {
            Cipher c = Cipher.getInstance("AES/GCM/NoPadding");
            c.init(direction, key, new GCMParameterSpec(128, iv));
            return c;
        }
        Cipher c = Cipher.getInstance("AES/" + mode.toUpperCase() + "/PKCS5Padding");
        c.init(direction, key, mode.equals("cbc") ? new IvParameterSpec(iv) : null);
        return c;
    }

    static byte[] toText(String form, byte[] key) {
        return form.equals("chars") ? key : encode(form, key).getBytes(StandardCharsets.US_ASCII);
    }

    static byte[] fromText(String form, byte[] text) {
        return form.equals("chars") ? text : decode(form, new String(text, StandardCharsets.US_ASCII));
    }

    static String encode(String form, byte[] b) {
        if (form.equals("base64")) {
            return Base64.getEncoder().encodeToString(b);
        }
        StringBuilder s = new StringBuilder();
        for (byte x : b) {
            s.append(Character.forDigit(x >> 4 & 15, 16)).append(Character.forDigit(x & 15, 16));
        }
        return s.toString();
    }

    static byte[] decode(String form, String s) {
        if (form.equals("base64")) {
            return Base64.getDecoder().decode(s);
        }
        byte[] b = new byte[s.length() / 2];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) (Character.digit(s.charAt(2 * i), 16) << 4 | Character.digit(s.charAt(2 * i + 1), 16));
        }
        return b;
    }
}
